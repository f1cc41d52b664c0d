"""Photometric augmentation of samples, and degradation as by video coding.

All random numbers come from the generator that the caller passes in.
"""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageFilter

__all__ = ["degrade", "photometric"]


def photometric(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Brightness, contrast, gamma and colour balance varied; one picture in twelve is grey."""
    if rng.random() < 0.08:
        image = image.convert("L").convert("RGB")
    curve = np.linspace(0.0, 1.0, 256) ** np.exp(rng.uniform(-0.4, 0.4))
    curve = (curve - 0.5) * rng.uniform(0.65, 1.35) + 0.5 + rng.uniform(-0.15, 0.15)
    tables = np.outer(rng.uniform(0.9, 1.1, 3), curve)
    return image.point(np.clip(np.round(255.0 * tables), 0, 255).astype(int).ravel().tolist())


def degrade(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """A lower resolution and back, JPEG, noise or blur; often two of them."""
    size = image.size
    kind = int(rng.integers(4))
    if kind <= 1:
        scale = rng.uniform(0.45, 1.0)
        less = (max(8, round(size[0] * scale)), max(8, round(size[1] * scale)))
        image = image.resize(less, Image.Resampling.BILINEAR)
        if kind == 0:
            image = _jpeg(image, int(rng.integers(10, 65)))
        return image.resize(size, Image.Resampling.BICUBIC)
    if kind == 2:
        noise = rng.standard_normal((size[1], size[0], 3), np.float32)
        noisy = np.asarray(image) + noise * np.float32(rng.uniform(1.0, 12.0)) + 0.5
        return Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8))
    return image.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.4, 1.6))))


def _jpeg(image: Image.Image, quality: int) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return Image.open(buffer).convert("RGB")
