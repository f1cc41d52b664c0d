"""Folders of pictures and labels: pairs by stem, and the stems that are kept out of training.

Three layouts are read:
- `*-Image/` + `*-Mask/` (DUTS: `DUTS-TR-Image/*.jpg`, `DUTS-TR-Mask/*.png`);
- `images/` + `masks/`: masks with 0 and 255; exactly 128 is a border that counts nowhere;
- `images/` alone, for sets that only a teacher labels.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from PIL import Image

from vmafsal.errors import InputError
from vmafsal.files import sha256_of

__all__ = [
    "BORDER",
    "KEEP_OUT",
    "UNREADABLE_SHARE",
    "OnDisk",
    "Pair",
    "find_pictures",
    "image_folder",
    "images_in",
    "kept_out",
    "open_image",
    "orphans",
    "pairs_digest",
    "read_rgb",
]

BORDER = 128
"""A mask pixel of this value is a border: neither object nor background."""

KEEP_OUT = 10
"""One stem in so many is kept out of training, in every set."""

UNREADABLE_SHARE = 0.01
"""More pictures than this share that cannot be read stop a run."""

IMAGE_ENDINGS = (".jpg", ".jpeg", ".png", ".bmp", ".webp")


class OnDisk(Protocol):
    """A picture with what belongs to it, still on disk."""

    @property
    def stem(self) -> str:
        """The name that they share."""

    @property
    def files(self) -> list[Path]:
        """The picture and what belongs to it."""


@dataclass(frozen=True)
class Pair:
    """One picture with its labels, still on disk."""

    image: Path
    mask: Path | None
    """A human label."""
    teacher: Path | None = None
    """A teacher's label (pseudo-label)."""

    @property
    def stem(self) -> str:
        """The name that the picture and its labels share."""
        return self.image.stem

    @property
    def files(self) -> list[Path]:
        """The picture and its labels."""
        return [path for path in (self.image, self.mask, self.teacher) if path is not None]


def images_in(folder: Path) -> dict[str, Path]:
    """The images of a folder by their stems, sorted."""
    found = (p for p in folder.iterdir() if p.suffix.lower() in IMAGE_ENDINGS and p.is_file())
    return {p.stem: p for p in sorted(found)}


def _layout(root: Path) -> tuple[Path, Path | None]:
    """The folder of images and the folder of masks, where there is one."""
    for image_dir in sorted(root.glob("*-Image")):
        mask_dir = image_dir.with_name(image_dir.name.removesuffix("-Image") + "-Mask")
        if mask_dir.is_dir():
            return image_dir, mask_dir
    images, masks = root / "images", root / "masks"
    if not images.is_dir():
        raise InputError(
            f"{root} is no data set: it needs *-Image/ and *-Mask/ (DUTS), or images/, "
            "with masks/ where there are some."
        )
    return images, masks if masks.is_dir() else None


def image_folder(root: Path) -> Path:
    """The folder of pictures inside a data set.

    Raises:
        InputError: if the folder is missing or has none of the layouts.
    """
    if not root.is_dir():
        raise InputError(f"{root} is not a folder; it should hold pictures and labels.")
    return _layout(root)[0]


def find_pictures(root: Path, teacher: Path | None = None) -> list[Pair]:
    """The pictures under a folder that have a label, by stem.

    Args:
        root: in one of the layouts.
        teacher: folder of a teacher's labels, paired by stem; None where there are none.
    Raises:
        InputError: if the folder is missing, has none of the layouts, or holds no labelled picture.
    """
    if not root.is_dir():
        raise InputError(f"{root} is not a folder; it should hold pictures and labels.")
    image_dir, mask_dir = _layout(root)
    images = images_in(image_dir)
    masks = {} if mask_dir is None else images_in(mask_dir)
    labels = images_in(teacher) if teacher is not None and teacher.is_dir() else {}
    pairs = [
        Pair(path, masks.get(stem), labels.get(stem))
        for stem, path in images.items()
        if stem in masks or stem in labels
    ]
    if not pairs:
        raise InputError(
            f"{root} holds no labelled picture: no image in {image_dir.name}/ has a mask or a "
            "teacher's label of the same name."
        )
    return pairs


def orphans(root: Path) -> list[Path]:
    """Images without a mask and masks without an image, in a folder that has masks.

    Raises:
        InputError: if the folder has none of the layouts.
    """
    image_dir, mask_dir = _layout(root)
    if mask_dir is None:
        return []
    images, masks = images_in(image_dir), images_in(mask_dir)
    lonely = [images[stem] for stem in images.keys() - masks.keys()]
    return sorted(lonely + [masks[stem] for stem in masks.keys() - images.keys()])


def kept_out(stem: str, every: int = KEEP_OUT) -> bool:
    """Whether a stem is kept out of training: one in `every`, by its SHA-1; 0 keeps none out."""
    return every > 0 and int(hashlib.sha1(stem.encode()).hexdigest(), 16) % every == 0


def pairs_digest(pairs: Iterable[OnDisk]) -> str:
    """SHA-256 over the names and contents of every file, in order: identifies training data."""
    digest = hashlib.sha256()
    for pair in pairs:
        for path in pair.files:
            digest.update(f"{path.parent.name}/{path.name} {sha256_of(path)}\n".encode())
    return digest.hexdigest()


def open_image(path: Path, mode: str) -> Image.Image:
    """An image in a mode of Pillow; EXIF rotation is not applied, as masks never have it.

    Raises:
        InputError: if it cannot be decoded.
    """
    try:
        with Image.open(path) as image:
            # A palette's transparency is only held in full by RGBA.
            whole = image.convert("RGBA") if "transparency" in image.info else image
            return whole.convert(mode)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise InputError(f"{path} cannot be read as an image ({error}).") from None


def read_rgb(path: Path) -> np.ndarray:
    """An image as uint8 [H, W, 3].

    Raises:
        InputError: if it cannot be decoded.
    """
    return np.asarray(open_image(path, "RGB"))
