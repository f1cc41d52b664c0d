"""A corpus that the tests draw: bright shapes on dull textures."""

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
    return _draw(root, "DUTS-TR-Image", "DUTS-TR-Mask", count, height, width)


def draw_set(root: Path, count: int, height: int = 72, width: int = 96, masks: bool = True) -> Path:
    """Write `count` pictures as `images/*.jpg` and, with `masks`, `masks/*.png` under `root`."""
    return _draw(root, "images", "masks" if masks else None, count, height, width)


def _draw(root: Path, images: str, masks: str | None, count: int, height: int, width: int) -> Path:
    for folder in (images, masks):
        if folder is not None:
            (root / folder).mkdir(parents=True)
    for i in range(count):
        picture, mask = draw_pair(i, height, width)
        Image.fromarray(picture).save(root / images / f"drawn_{i:04d}.jpg", quality=92)
        if masks is not None:
            Image.fromarray(mask).save(root / masks / f"drawn_{i:04d}.png")
    return root


def write_recipe(path: Path, arch: str = "v1", sets: str = "", **fit: object) -> Path:
    """A small recipe on a set called `drawn`.

    Args:
        sets: further TOML, after the set.
        fit: values of [fit] besides or instead of the small ones.
    """
    values: dict[str, object] = {
        "steps": 12, "batch": 8, "lr": 4e-3, "save_every": 4, "photometric": 0.3, "degrade": 0.3,
    }  # fmt: skip
    lines = [f'id = "small_{arch}"', f'arch = "{arch}"', "[fit]"]
    for key, value in (values | fit).items():
        lines.append(f"{key} = {value!r}".replace("'", '"').replace("(", "[").replace(")", "]"))
    lines += ["[[fit.stage]]", "until = 0.5", "sides = [32]"]
    lines += ["[[fit.stage]]", "until = 1.0", "sides = [32, 64]", "twins = 0.5"]
    lines += ["[[set]]", 'name = "drawn"', sets]
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path
