"""One training sample from one decoded image: crop, flip, and the damage that video suffers.

A sample is one uint8 array [side, side, 5]: R, G, B, label, weight, then the gaze where there is
one; so that whatever moves the picture moves its label with it. Every draw comes from the generator
that the caller passes in.
"""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter

from train.data import Item

__all__ = [
    "Augment",
    "crop_resized",
    "degrade",
    "flip",
    "low_rung",
    "photometric",
    "resize_planes",
]


@dataclass(frozen=True)
class Augment:
    """How a sample is varied; the defaults are the plain recipe."""

    crop: int = 256
    """Side of the square crop, in pixels."""
    short_side: tuple[int, int] = (288, 288)
    """The image's short side before the crop is drawn log-uniformly between these."""
    flip: bool = True
    stretch: float = 0.0
    """Aspect ratios vary by up to exp(±stretch)."""
    photometric: float = 0.0
    """Share of samples whose brightness, contrast, gamma and colour balance vary."""
    degrade: float = 0.0
    """Share of samples that pass through JPEG, noise or blur."""


def resize_planes(planes: np.ndarray, height: int, width: int) -> np.ndarray:
    """uint8 [h, w, C] resized to [height, width, C], bilinear with area support."""
    size = (width, height)
    parts = [np.asarray(Image.fromarray(planes[..., :3]).resize(size, Image.Resampling.BILINEAR))]
    for channel in range(3, planes.shape[2]):
        plane = Image.fromarray(np.ascontiguousarray(planes[..., channel]))
        parts.append(np.asarray(plane.resize(size, Image.Resampling.BILINEAR))[..., None])
    return np.concatenate(parts, axis=2)


def crop_resized(item: Item, options: Augment, rng: np.random.Generator) -> np.ndarray:
    """A random square window of an image, resized to the crop's side.

    Returns:
        uint8 [crop, crop, 5], 6 planes for an item with a fixation density.
    """
    height, width = item.label.shape
    low, high = options.short_side
    side = low if low == high else float(np.exp(rng.uniform(np.log(low), np.log(high))))
    window = options.crop / side * min(height, width)
    aspect = float(np.exp(rng.uniform(-options.stretch, options.stretch) / 2.0))
    w = min(width, max(1, round(window * aspect)))
    h = min(height, max(1, round(window / aspect)))
    x, y = int(rng.integers(width - w + 1)), int(rng.integers(height - h + 1))
    rows, columns = slice(y, y + h), slice(x, x + w)
    planes = [item.image, item.label, item.weight, *([] if item.gaze is None else [item.gaze])]
    window_of = np.dstack([plane[rows, columns] for plane in planes])
    return resize_planes(window_of, options.crop, options.crop)


def flip(planes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Mirrored left to right, half of the time."""
    return planes[:, ::-1] if rng.random() < 0.5 else planes


def photometric(rgb: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Brightness, contrast, gamma and colour balance varied, now and then without colour."""
    if rng.random() < 0.08:
        gray = (rgb.astype(np.uint16) @ np.array([77, 150, 29], np.uint16)) >> 8
        rgb = np.repeat(gray.astype(np.uint8)[..., None], 3, axis=2)
    grey = np.arange(256, dtype=np.float64) / 255.0
    curve = grey ** np.exp(rng.uniform(-0.4, 0.4))
    curve = (curve - 0.5) * rng.uniform(0.65, 1.35) + 0.5 + rng.uniform(-0.15, 0.15)
    balance = rng.uniform(0.9, 1.1, 3)
    tables = np.clip(np.round(255.0 * curve[None] * balance[:, None]), 0, 255).astype(np.uint8)
    return np.stack([tables[c][rgb[..., c]] for c in range(3)], axis=2)


def degrade(rgb: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """One of JPEG at a low quality, Gaussian noise, blur, or half the size and back."""
    side = rgb.shape[0]
    kind = int(rng.integers(4))
    if kind == 0:
        whole = Image.fromarray(np.ascontiguousarray(rgb))
        return np.asarray(_coded(whole, int(rng.integers(12, 70))))
    if kind == 1:
        noise = rng.standard_normal(rgb.shape, np.float32) * np.float32(rng.uniform(1.0, 12.0))
        noisy: np.ndarray = np.clip(rgb + noise + 0.5, 0, 255).astype(np.uint8)
        return noisy
    image = Image.fromarray(np.ascontiguousarray(rgb))
    if kind == 2:
        return np.asarray(image.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.4, 1.6)))))
    less = max(8, int(side * rng.uniform(0.4, 0.8)))
    small = image.resize((less, less), Image.Resampling.BILINEAR)
    return np.asarray(small.resize((side, side), Image.Resampling.BICUBIC))


def _coded(image: Image.Image, quality: int) -> Image.Image:
    """An RGB picture after JPEG."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return Image.open(buffer).convert("RGB")


def low_rung(rgb: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The picture as a low rung of a ladder shows it: fewer lines, JPEG, a little noise."""
    side = rgb.shape[0]
    less = max(8, int(side * rng.uniform(0.45, 1.0)))
    image = Image.fromarray(np.ascontiguousarray(rgb))
    image = image.resize((less, less), Image.Resampling.BILINEAR)
    small = _coded(image, int(rng.integers(8, 60)))
    coded = np.asarray(small.resize((side, side), Image.Resampling.BICUBIC))
    noise = rng.standard_normal(rgb.shape, np.float32) * np.float32(rng.uniform(0.0, 4.0))
    noisy: np.ndarray = np.clip(coded + noise + 0.5, 0, 255).astype(np.uint8)
    return noisy
