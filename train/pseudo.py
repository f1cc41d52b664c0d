"""Soft labels for unlabelled images: models averaged over scales and flips."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from train.data import images_in, read_gray, read_rgb
from train.output import Progress, silent, write_whole
from vmafsal.errors import InputError, OutputError, UsageError
from vmafsal.model import load_model
from vmafsal.session import Session
from vmafsal.sidecar import IMAGENET_MEAN, IMAGENET_STD

__all__ = ["Gate", "gate_from_gaze", "gated", "pseudo_label", "soft_label"]

MEAN = np.array(IMAGENET_MEAN, np.float32)
DEVIATION = np.array(IMAGENET_STD, np.float32)


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
    doubt: tuple[float, float] | None = None
    """The same ramp for doubt: where people looked and the label says nothing it rises to 1/2,
    which counts little in the loss. None leaves such places background."""


def gated(label: np.ndarray, density: np.ndarray, gate: Gate) -> np.ndarray:
    """A label kept where people looked, and doubted where they looked at what it denies.

    Args:
        label: float32 [H, W] in [0, 1].
        density: uint8 [H, W], fixation density.
    Returns:
        float32 [H, W] in [0, 1].
    """
    kept: np.ndarray = label * gate_from_gaze(density, gate)
    if gate.doubt is None or not density.any():
        return kept
    low, high = gate.doubt
    watched = gate_from_gaze(density, replace(gate, low=low, high=high))
    doubted: np.ndarray = np.maximum(kept, 0.5 * watched)
    return doubted


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
    opening: np.ndarray = np.clip(ramp, 0.0, 1.0).astype(np.float32)
    return opening


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
    mean: np.ndarray = np.stack(maps).mean(axis=0, dtype=np.float32)
    return mean


def pseudo_label(
    models: Sequence[str],
    images: Path,
    out: Path,
    scales: Sequence[int] = (160, 224, 288),
    flip: bool = True,
    gate: Gate | None = None,
    threads: int = 0,
    progress: Progress = silent,
) -> int:
    """Write `out/soft/<stem>.png` for every image, and `out/labels.json` with how.

    Args:
        models: paths of ONNX files or registry ids.
        threads: of ONNX Runtime; 0 is one a core.
    Returns:
        how many labels there are; one that was there already is kept.
    Raises:
        InputError: if the folder holds no image, an image cannot be read, or has no gaze map.
        UsageError: if `out` was begun with other settings.
        ModelError: if a model cannot be loaded, or does not run.
    """
    found = images_in(images) if images.is_dir() else {}
    if not found:
        raise InputError(f"{images} holds no image.")
    loaded = [load_model(model) for model in models]
    settings: dict[str, Any] = {
        "images": os.path.relpath(images, out),
        "models": [{"file": m.path.name, "sha256": m.sha256} for m in loaded],
        "scales": list(scales),
        "flip": flip,
        "gate": None
        if gate is None
        else {
            "maps": os.path.relpath(gate.maps, out),
            "blur": gate.blur,
            "low": gate.low,
            "high": gate.high,
            **({} if gate.doubt is None else {"doubt": list(gate.doubt)}),
        },
    }
    try:
        (out / "soft").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{out} cannot be made: {error.strerror}.") from None
    record = out / "labels.json"
    if record.exists() and json.loads(record.read_text("utf-8")) != settings:
        raise UsageError(f"{out} was begun with other settings; choose another --out.")
    write_whole(record, json.dumps(settings, indent=2) + "\n")
    sessions = [(Session(m, device="cpu", threads=threads or None), m.stride) for m in loaded]
    for done, (stem, path) in enumerate(found.items(), 1):
        target = out / "soft" / f"{stem}.png"
        if not target.exists():
            image = read_rgb(path)
            opinions = [soft_label(s.run, image, scales, flip, stride) for s, stride in sessions]
            label = np.mean(opinions, axis=0)
            if gate is not None:
                label = gated(label, _gaze_map(path, image, gate), gate)
            pixels = np.round(255.0 * np.clip(label, 0.0, 1.0)).astype(np.uint8)
            buffer = io.BytesIO()
            Image.fromarray(pixels).save(buffer, format="PNG")
            write_whole(target, buffer.getvalue())
        progress("labelling", done, len(found))
    return len(found)


def _gaze_map(path: Path, image: np.ndarray, gate: Gate) -> np.ndarray:
    density = gate.maps / f"{path.stem}.png"
    if not density.exists():
        raise InputError(f"{path.name} has no gaze map {density.name} in {gate.maps}.")
    gaze = read_gray(density)
    if gaze.shape != image.shape[:2]:
        gaze = _resized(gaze, *image.shape[:2])
    return gaze
