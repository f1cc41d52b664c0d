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
    "data_folders",
    "find_pictures",
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


@dataclass(frozen=True)
class OnDisk:
    """A picture that is still on disk; subclasses name the files that belong to it."""

    image: Path

    @property
    def stem(self) -> str:
        """The name that the picture and what belongs to it share."""
        return self.image.stem

    @property
    def files(self) -> list[Path]:
        """The picture and what belongs to it."""
        return [path for path in vars(self).values() if isinstance(path, Path)]


@dataclass(frozen=True)
class Pair(OnDisk):
    """One picture, or one map, with its labels."""

    mask: Path | None
    """A human label."""
    teacher: Path | None = None
    """A teacher's label (pseudo-label)."""


def images_in(folder: Path | None) -> dict[str, Path]:
    """The images of a folder by their stems, sorted; none where there is no folder."""
    if folder is None or not folder.is_dir():
        return {}
    found = (p for p in folder.iterdir() if p.suffix.lower() in IMAGE_ENDINGS and p.is_file())
    return {p.stem: p for p in sorted(found)}


def data_folders(root: Path) -> tuple[Path, Path | None]:
    """The folder of pictures inside a data set, and that of masks where there is one.

    Raises:
        InputError: if the folder is missing or has none of the layouts.
    """
    if not root.is_dir():
        raise InputError(f"{root} is not a folder; it should hold pictures and labels.")
    for images in sorted(root.glob("*-Image")):
        masks = images.with_name(images.name.removesuffix("-Image") + "-Mask")
        if masks.is_dir():
            return images, masks
    images, masks = root / "images", root / "masks"
    if not images.is_dir():
        raise InputError(
            f"{root} is no data set: it needs *-Image/ and *-Mask/ (DUTS), or images/, "
            "with masks/ where there are some."
        )
    return images, masks if masks.is_dir() else None


def find_pictures(root: Path, teacher: Path | None = None) -> list[Pair]:
    """The pictures under a folder that have a label, by stem.

    Args:
        root: in one of the layouts.
        teacher: folder of a teacher's labels, paired by stem; None where there are none.
    Raises:
        InputError: if the folder is missing, has none of the layouts, or holds no labelled picture.
    """
    images, masks, labels = map(images_in, (*data_folders(root), teacher))
    pairs = [
        Pair(path, masks.get(stem), labels.get(stem))
        for stem, path in images.items()
        if stem in masks or stem in labels
    ]
    if not pairs:
        raise InputError(
            f"{root} holds no labelled picture: none has a mask or a teacher's label of the same "
            "name."
        )
    return pairs


def orphans(root: Path) -> list[Path]:
    """Images without a mask and masks without an image, in a folder that has masks.

    Raises:
        InputError: if the folder has none of the layouts.
    """
    images, masks = map(images_in, data_folders(root))
    alone = images.keys() ^ masks.keys() if masks else ()
    return sorted((images | masks)[stem] for stem in alone)


def kept_out(stem: str) -> bool:
    """Whether a stem is kept out of training: one in KEEP_OUT, by its SHA-1."""
    return int(hashlib.sha1(stem.encode()).hexdigest(), 16) % KEEP_OUT == 0


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
