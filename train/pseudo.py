"""Soft labels for unlabelled images: models averaged over scales and flips."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from train.data import IMAGE_ENDINGS, read_gray, read_rgb
from train.provenance import sha256_of
from vmafsal.errors import InputError, UsageError

__all__ = ["Gate", "gate_from_gaze", "pseudo_label", "soft_label"]

MEAN = np.array([0.485, 0.456, 0.406], np.float32)
DEVIATION = np.array([0.229, 0.224, 0.225], np.float32)


@dataclass(frozen=True)
class Gate:
    """Keep a pseudo-label only where people looked."""

    maps: Path
    """Folder of 8-bit fixation densities, named as the images."""
    blur: float = 0.04
    """Deviation of the Gaussian, as a share of the short side."""
    low: float = 0.06
    high: float = 0.18
    """Of the peak: below `low` the label is 0, above `high` it stays, between it is a ramp."""


def gate_from_gaze(density: np.ndarray, gate: Gate) -> np.ndarray:
    """Where people looked, softly.

    Args:
        density: uint8 [H, W], fixation density.
    Returns:
        float32 [H, W] in [0, 1]; all ones where the density is empty (nothing is known).
    """
    from scipy.ndimage import gaussian_filter

    smooth = gaussian_filter(density.astype(np.float32), gate.blur * min(density.shape))
    peak = float(smooth.max())
    if peak <= 0:
        return np.ones(density.shape, np.float32)
    ramp = (smooth / peak - gate.low) / (gate.high - gate.low)
    return np.clip(ramp, 0.0, 1.0).astype(np.float32)


def _resized(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """Bilinear, with area support where it shrinks (Pillow); uint8 or float32."""
    return np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR))


def soft_label(
    run: Callable[[np.ndarray], np.ndarray],
    image: np.ndarray,
    scales: Sequence[int],
    flip: bool,
    stride: int,
) -> np.ndarray:
    """One model's opinion of one image, averaged over scales and flips.

    Args:
        run: float32 [1, 3, h, w] normalised RGB to float32 [1, 1, h, w].
        image: uint8 [H, W, 3].
        scales: short sides at which the model looks, in pixels.
        flip: also look at the mirror image.
        stride: h and w are edge-replicated up to a multiple of it.
    Returns:
        float32 [H, W] in [0, 1].
    """
    height, width = image.shape[:2]
    maps = []
    for side in scales:
        scale = side / min(height, width)
        h, w = max(1, round(height * scale)), max(1, round(width * scale))
        small = (_resized(image, h, w).astype(np.float32) / 255.0 - MEAN) / DEVIATION
        padded = np.pad(small, ((0, -h % stride), (0, -w % stride), (0, 0)), mode="edge")
        x = np.ascontiguousarray(padded.transpose(2, 0, 1)[None])
        found = run(x)[0, 0, :h, :w]
        if flip:
            mirrored = np.pad(
                small[:, ::-1], ((0, -h % stride), (0, -w % stride), (0, 0)), mode="edge"
            )
            y = run(np.ascontiguousarray(mirrored.transpose(2, 0, 1)[None]))[0, 0, :h, :w]
            found = (found + y[:, ::-1]) / 2.0
        maps.append(_resized(np.ascontiguousarray(found), height, width))
    return np.mean(maps, axis=0, dtype=np.float32)


def _runner(model: Path, threads: int) -> Callable[[np.ndarray], np.ndarray]:
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    session = ort.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda x: session.run(None, {name: x})[0]


def pseudo_label(
    models: Sequence[Path],
    images: Path,
    out: Path,
    scales: Sequence[int] = (160, 224, 288),
    flip: bool = True,
    gate: Gate | None = None,
    threads: int = 0,
    stride: int = 8,
) -> Iterator[Path]:
    """Write `out/soft/<stem>.png` for every image, and `out/labels.json` with how.

    Yields:
        each label, once it is written; one that is already there is kept.
    Raises:
        InputError: if the folder holds no image, or an image has no gaze map.
        UsageError: if `out` was begun with other settings.
    """
    found = sorted(p for p in images.iterdir() if p.suffix.lower() in IMAGE_ENDINGS)
    if not found:
        raise InputError(f"{images} holds no image.")
    settings: dict[str, Any] = {
        "images": os.path.relpath(images, out),
        "models": [{"file": m.name, "sha256": sha256_of(m)} for m in models],
        "scales": list(scales),
        "flip": flip,
        "gate": None
        if gate is None
        else {
            "maps": os.path.relpath(gate.maps, out),
            "blur": gate.blur,
            "low": gate.low,
            "high": gate.high,
        },
    }
    (out / "soft").mkdir(parents=True, exist_ok=True)
    record = out / "labels.json"
    if record.exists() and json.loads(record.read_text("utf-8")) != settings:
        raise UsageError(f"{out} was begun with other settings; choose another --out.")
    record.write_text(json.dumps(settings, indent=2) + "\n", "utf-8")
    runners = [_runner(m, threads) for m in models]
    for path in found:
        target = out / "soft" / f"{path.stem}.png"
        if not target.exists():
            image = read_rgb(path)
            label = np.mean(
                [soft_label(run, image, scales, flip, stride) for run in runners], axis=0
            )
            if gate is not None:
                label = label * gate_from_gaze(_gaze_map(path, image, gate), gate)
            pixels = np.round(255.0 * np.clip(label, 0.0, 1.0)).astype(np.uint8)
            partial = target.with_suffix(".part")
            Image.fromarray(pixels).save(partial, format="PNG")
            partial.replace(target)
        yield target


def _gaze_map(path: Path, image: np.ndarray, gate: Gate) -> np.ndarray:
    density = gate.maps / f"{path.stem}.png"
    if not density.exists():
        raise InputError(f"{path.name} has no gaze map {density.name} in {gate.maps}.")
    gaze = read_gray(density)
    if gaze.shape != image.shape[:2]:
        gaze = _resized(gaze, *image.shape[:2])
    return gaze


def pseudo_digest(folder: Path) -> str:
    """SHA-256 over all soft labels of a folder: two runs gave the same labels or did not."""
    digest = hashlib.sha256()
    for path in sorted((folder / "soft").glob("*.png")):
        digest.update(path.name.encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()
