"""Pairs on disk: an image and its mask with the same stem, in any of the layouts in use."""

from __future__ import annotations

import hashlib
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vmafsal.errors import InputError

__all__ = ["BORDER", "Corpus", "Pair", "find_pairs", "is_kept_out", "read_mask", "read_rgb"]

BORDER = 128
"""Value of a trimap's pixels that belong to nobody: they count in no loss and in no metric."""

_IMAGE_ENDINGS = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")
_MASK_ENDINGS = (".png", ".bmp", ".tif", ".tiff", ".jpg", ".jpeg")


@dataclass(frozen=True, slots=True)
class Pair:
    """An image and its mask."""

    stem: str
    image: Path
    mask: Path


@dataclass(frozen=True)
class Corpus:
    """What one folder of pairs holds."""

    root: Path
    name: str
    """The folder's own name, by which results speak of it."""
    pairs: tuple[Pair, ...]
    """By stem, sorted."""
    images_alone: tuple[str, ...]
    """Stems of images without a mask."""
    masks_alone: tuple[str, ...]
    """Stems of masks without an image."""

    @property
    def digest(self) -> str:
        """sha256 over the sorted names and sizes of the paired files: did the set change?"""
        lines = (
            f"{path.relative_to(self.root).as_posix()} {path.stat().st_size}\n"
            for pair in self.pairs
            for path in (pair.image, pair.mask)
        )
        return hashlib.sha256("".join(lines).encode()).hexdigest()


def is_kept_out(stem: str) -> bool:
    """True for one stem in ten, always the same ones: kept out of training for evaluation.

    Args:
        stem: a file's name without its ending.
    """
    return int(hashlib.sha1(stem.encode()).hexdigest(), 16) % 10 == 0


def find_pairs(root: Path) -> Corpus:
    """Match images and masks by stem.

    Args:
        root: a folder with `images/` and `masks/`, or with `<name>-Image/` and `<name>-Mask/`
            as DUTS has them, or a folder with one such pair of folders one level down.
    Returns:
        the pairs, and what had no partner.
    Raises:
        InputError: if there is no such folder, no such layout, or not a single pair.
    """
    if not root.is_dir():
        raise InputError(f"The data folder {root} does not exist. Check --data.")
    images_folder, masks_folder = _layout(root)
    images = _by_stem(images_folder, _IMAGE_ENDINGS)
    masks = _by_stem(masks_folder, _MASK_ENDINGS)
    shared = sorted(images.keys() & masks.keys())
    if not shared:
        raise InputError(
            f"{root} holds {len(images)} images and {len(masks)} masks but not one pair: an image "
            f"and its mask must have the same stem, as in {images_folder.name}/a.jpg and "
            f"{masks_folder.name}/a.png."
        )
    return Corpus(
        root=root,
        name=root.resolve().name,
        pairs=tuple(Pair(stem, images[stem], masks[stem]) for stem in shared),
        images_alone=tuple(sorted(images.keys() - masks.keys())),
        masks_alone=tuple(sorted(masks.keys() - images.keys())),
    )


def _layout(root: Path) -> tuple[Path, Path]:
    for folder in (root, *sorted(path for path in root.iterdir() if path.is_dir())):
        if (folder / "images").is_dir() and (folder / "masks").is_dir():
            return folder / "images", folder / "masks"
        for images in sorted(folder.glob("*-Image")):
            masks = folder / f"{images.name.removesuffix('-Image')}-Mask"
            if images.is_dir() and masks.is_dir():
                return images, masks
    raise InputError(
        f"{root} has neither images/ and masks/ nor *-Image/ and *-Mask/ in it. "
        "Arrange the files in one of these layouts."
    )


def _by_stem(folder: Path, endings: tuple[str, ...]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        # Archives made on macOS carry ._name files that are no pictures.
        if path.suffix.lower() not in endings or path.name.startswith("."):
            continue
        if path.stem in found:
            raise InputError(
                f"{folder} holds both {found[path.stem].name} and {path.name}: which one belongs "
                f"to {path.stem} cannot be known. Remove one of them."
            )
        found[path.stem] = path
    return found


def read_rgb(path: Path) -> NDArray[np.uint8]:
    """Read a picture.

    Args:
        path: of a file that Pillow reads.
    Returns:
        uint8 [H, W, 3], R G B, as stored: no colour profile and no rotation is applied.
    Raises:
        InputError: if it cannot be read in full.
    """
    return _decode(path, "RGB")


def read_mask(path: Path) -> tuple[NDArray[np.bool_], NDArray[np.bool_] | None]:
    """Read a mask or a trimap.

    Args:
        path: of a file that Pillow reads as gray.
    Returns:
        (object, valid): bool [H, W] each. The object is where the gray value is at least 128.
        In a trimap, which is a picture of nothing but 0, 128 and 255, the 128 are border and not
        valid. valid is None where every pixel is.
    Raises:
        InputError: if it cannot be read in full, or holds 0 and 1 where 0 and 255 are meant.
    """
    gray: NDArray[np.uint8] = _decode(path, "L")
    counts = np.bincount(gray.ravel(), minlength=256)
    if counts[1] and not counts[2:].any():
        raise InputError(f"{path} marks its object with 1 instead of 255. Multiply it by 255.")
    is_trimap = counts[BORDER] and counts[[0, BORDER, 255]].sum() == gray.size
    return gray >= BORDER if not is_trimap else gray == 255, gray != BORDER if is_trimap else None


def _decode(path: Path, mode: str) -> NDArray[np.uint8]:
    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            # Pillow warns of very large pictures; from twice that size on it raises by itself.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path) as picture:
                return np.asarray(picture.convert(mode), dtype=np.uint8)
    except (OSError, UnidentifiedImageError, SyntaxError, ValueError) as error:
        reason = "it is no picture" if isinstance(error, UnidentifiedImageError) else str(error)
        raise InputError(f"{path} cannot be read: {reason.rstrip('.')}.") from error
    except Image.DecompressionBombError as error:
        raise InputError(f"{path} cannot be read: {error}") from error
