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

from train.data import images_in, read_density, read_rgb
from train.gaze import peak_normalised
from train.output import Progress, silent, write_whole
from vmafsal.errors import InputError, OutputError, UsageError
from vmafsal.infer.session import Session
from vmafsal.models.model import load_model
from vmafsal.models.sidecar import IMAGENET_MEAN, IMAGENET_STD

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
    gaze: np.ndarray | None = None,
) -> np.ndarray:
    """One model's opinion of one image, averaged over scales and flips.

    Args:
        run: float32 [1, 3, h, w] normalised RGB to float32 [1, 1, h, w]; 4 planes with `gaze`.
        image: uint8 [H, W, 3].
        scales: short sides at which the model looks, in pixels.
        flip: also look at the mirror image.
        stride: h and w are edge-replicated up to a multiple of it.
        gaze: uint8 [H, W], a fixation density that a teacher is told, its peak at 255.
    Returns:
        float32 [H, W] in [0, 1].
    """
    height, width = image.shape[:2]
    maps = []
    for side in scales:
        scale = side / min(height, width)
        h, w = max(1, round(height * scale)), max(1, round(width * scale))
        small = (_resized(image, h, w).astype(np.float32) / 255.0 - MEAN) / DEVIATION
        if gaze is not None:
            small = np.dstack([small, _resized(gaze, h, w).astype(np.float32) / 255.0])
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


@dataclass(frozen=True)
class Voice:
    """One that labels: a student in ONNX Runtime, or a teacher in PyTorch."""

    file: str
    sha256: str
    stride: int
    run: Callable[[np.ndarray], np.ndarray]
    told: bool
    """Whether it is told where people looked."""


def _voice(model: str, threads: int) -> Voice:
    if not model.endswith(".pt"):
        student = load_model(model)
        session = Session(student, device="cpu", threads=threads or None)
        return Voice(student.path.name, student.sha256, student.stride, session.run, told=False)
    import torch

    from train.architectures import architecture, build
    from train.checkpoint import load_checkpoint
    from train.provenance import sha256_of

    state = load_checkpoint(Path(model))
    known = architecture(state.config["arch"])
    if not known.gaze:
        raise UsageError(
            f"{model} is a {state.config['arch']}, not a teacher that is told where people looked; "
            "name the ONNX file beside it."
        )
    net = build(state.config["arch"])
    net.load_state_dict(state.best)
    net.eval()
    if threads:
        torch.set_num_threads(threads)

    @torch.inference_mode()
    def run(x: np.ndarray) -> np.ndarray:
        found: np.ndarray = net(torch.from_numpy(x)).numpy()
        return found

    return Voice(Path(model).name, sha256_of(Path(model)), known.stride, run, told=True)


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
        models: paths of ONNX files, registry ids, or checkpoints of teachers that are told where
            people looked. With a teacher the gate serves for its maps alone: the label is of the
            whole object, also where nobody looked.
        threads: of ONNX Runtime; 0 is one a core.
    Returns:
        how many labels there are; one that was there already is kept.
    Raises:
        InputError: if the folder holds no image, an image cannot be read, or has no gaze map.
        UsageError: if `out` was begun with other settings, or a teacher is not told the gaze.
        ModelError: if a model cannot be loaded, or does not run.
    """
    found = images_in(images) if images.is_dir() else {}
    if not found:
        raise InputError(f"{images} holds no image.")
    voices = [_voice(model, threads) for model in models]
    told = [voice.told for voice in voices]
    if any(told) and (gate is None or not all(told)):
        raise UsageError(
            "A teacher wants to be told where people looked: give --gaze, and teachers alone."
        )
    if any(told) and gate is not None and gate.doubt is not None:
        raise UsageError("--gaze-doubt is for models that are not told where people looked.")
    settings: dict[str, Any] = {
        "images": os.path.relpath(images, out),
        "models": [{"file": voice.file, "sha256": voice.sha256} for voice in voices],
        "scales": list(scales),
        "flip": flip,
        "gate": None
        if gate is None
        else {
            "maps": os.path.relpath(gate.maps, out),
            **({"told": True} if all(told) else {}),
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
    for done, (stem, path) in enumerate(found.items(), 1):
        target = out / "soft" / f"{stem}.png"
        if not target.exists():
            image = read_rgb(path)
            density = None if gate is None else _gaze_map(path, image, gate)
            seen = peak_normalised(density) if density is not None and all(told) else None
            opinions = [soft_label(v.run, image, scales, flip, v.stride, seen) for v in voices]
            label = np.mean(opinions, axis=0)
            if gate is not None and density is not None and seen is None:
                label = gated(label, density, gate)
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
    return read_density(density, *image.shape[:2])
