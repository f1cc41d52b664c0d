"""A corpus that the tests draw: bright shapes on dull textures, in DUTS's layout."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image


def draw_pair(index: int, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """A picture uint8 [H, W, 3] with its mask uint8 [H, W], 0 or 255."""
    rng = np.random.default_rng([7, index])
    coarse = rng.integers(40, 110, (6, 8, 3)).astype(np.uint8)
    texture = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
    picture = np.asarray(texture).astype(np.float64)
    y, x = np.mgrid[:height, :width]
    cy, cx = rng.uniform(0.35, 0.65, 2) * (height, width)
    ry, rx = rng.uniform(0.18, 0.3, 2) * min(height, width)
    if index % 2:
        inside = ((y - cy) / ry) ** 2 + ((x - cx) / rx) ** 2 < 1
    else:
        inside = (np.abs(y - cy) < ry) & (np.abs(x - cx) < rx)
    picture[inside] = rng.uniform(150, 255, 3)
    picture += rng.normal(0, 6, picture.shape)
    return np.clip(picture, 0, 255).astype(np.uint8), np.where(inside, 255, 0).astype(np.uint8)


def draw_duts(root: Path, count: int, height: int = 72, width: int = 96) -> Path:
    """Write `count` pairs as `DUTS-TR-Image/*.jpg` and `DUTS-TR-Mask/*.png` under `root`."""
    images, masks = root / "DUTS-TR-Image", root / "DUTS-TR-Mask"
    images.mkdir(parents=True)
    masks.mkdir()
    for i in range(count):
        picture, mask = draw_pair(i, height, width)
        Image.fromarray(picture).save(images / f"drawn_{i:04d}.jpg", quality=92)
        Image.fromarray(mask).save(masks / f"drawn_{i:04d}.png")
    return root
