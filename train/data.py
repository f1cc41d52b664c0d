"""Folders of images and labels: finding the pairs, splitting them, decoding them once.

Four layouts are read, told apart by their folders:
- `*-Image/` + `*-Mask/` (DUTS: `DUTS-TR-Image/*.jpg`, `DUTS-TR-Mask/*.png`);
- `images/` + `masks/`: hard masks, 0 and 255; exactly 128 is a border that counts nowhere;
- `images/` + `soft/`: soft labels, 8 bit, as `pseudo-label` writes them. There `labels.json`
  may name the folder of the images, so that they need not be copied;
- `cutouts/`: PNGs whose alpha is the object. They are pasted into composites, and no more.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from vmafsal.errors import InputError, UsageError

__all__ = [
    "BORDER",
    "Dataset",
    "Item",
    "Pair",
    "decode",
    "file_list_digest",
    "find_pairs",
    "holds_cutouts",
    "images_in",
    "kept_out",
    "load_items",
    "open_dataset",
    "read_alpha",
    "read_density",
    "read_gray",
    "read_rgb",
    "split_fold",
]

BORDER = 128
"""A mask pixel of this value is a border: neither object nor background."""

IMAGE_ENDINGS = (".jpg", ".jpeg", ".png", ".bmp", ".webp")
UNREADABLE_SHARE = 0.01
"""More pairs than this share that cannot be read stop a run."""


@dataclass(frozen=True)
class Pair:
    """One image with its label, still on disk."""

    image: Path
    label: Path
    soft: bool
    """Whether the label is a soft one (an opinion of a model, not of a person)."""
    gaze: Path | None = None
    """The fixation density that a soft label was made with."""

    @property
    def stem(self) -> str:
        return self.image.stem

    @property
    def cutout(self) -> bool:
        """Whether it is an object without a picture around it: its label is the image's alpha."""
        return self.label == self.image


@dataclass(frozen=True)
class Dataset:
    """The pairs of one folder."""

    root: Path
    pairs: tuple[Pair, ...]
    """Sorted by stem."""
    weight: float = 1.0
    """How often a pair of this set is drawn in an epoch; 0: as a scene without objects alone."""
    orphans: tuple[Path, ...] = ()
    """Images without a label and labels without an image."""

    @property
    def soft(self) -> bool:
        return bool(self.pairs) and self.pairs[0].soft


@dataclass(frozen=True)
class Item:
    """A decoded pair, as it is kept in memory."""

    pair: Pair
    image: np.ndarray
    """uint8 [H, W, 3], RGB."""
    label: np.ndarray
    """uint8 [H, W]: 0 background to 255 object."""
    weight: np.ndarray
    """uint8 [H, W]: what a pixel counts in the loss, 0 to 255."""
    gaze: np.ndarray | None = None
    """uint8 [H, W], fixation density, where the pair has one and it was asked for."""


def images_in(folder: Path) -> dict[str, Path]:
    """The images of a folder by their stems, sorted."""
    found = (p for p in folder.iterdir() if p.suffix.lower() in IMAGE_ENDINGS and p.is_file())
    return {p.stem: p for p in sorted(found)}


def holds_cutouts(root: Path) -> bool:
    """Whether a folder is a set of cut-outs."""
    return (root / "cutouts").is_dir()


def _layout(root: Path) -> tuple[Path, Path, bool]:
    """The folder of images, the folder of labels, whether labels are soft."""
    for image_dir in sorted(root.glob("*-Image")):
        mask_dir = image_dir.with_name(image_dir.name.removesuffix("-Image") + "-Mask")
        if mask_dir.is_dir():
            return image_dir, mask_dir, False
    if (root / "images").is_dir() and (root / "masks").is_dir():
        return root / "images", root / "masks", False
    if (root / "soft").is_dir():
        if (root / "images").is_dir():
            return root / "images", root / "soft", True
        try:
            named = json.loads((root / "labels.json").read_text("utf-8"))["images"]
        except (OSError, ValueError, KeyError, TypeError):
            named = None
        if named and (root / named).is_dir():
            return (root / named).resolve(), root / "soft", True
        raise InputError(
            f"{root} holds soft labels, but the folder of their images is gone; "
            "write them again with pseudo-label."
        )
    if holds_cutouts(root):
        return root / "cutouts", root / "cutouts", False
    raise InputError(
        f"{root} is no data set: it needs *-Image/ and *-Mask/ (DUTS), images/ and masks/, "
        "images/ and soft/, or cutouts/."
    )


def _gaze_maps(root: Path) -> dict[str, Path]:
    """The fixation densities that soft labels were made with, by stem."""
    try:
        named = json.loads((root / "labels.json").read_text("utf-8"))["gate"]["maps"]
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    folder = (root / named).resolve()
    return images_in(folder) if folder.is_dir() else {}


def find_pairs(root: Path, weight: float = 1.0) -> Dataset:
    """The pairs under a folder, in any of the layouts.

    Raises:
        InputError: if the folder is missing, has none of the layouts, or holds no pair.
    """
    root = Path(root)
    if not root.is_dir():
        raise InputError(f"{root} is not a folder; --data takes folders of images and labels.")
    image_dir, label_dir, soft = _layout(root)
    images, labels = images_in(image_dir), images_in(label_dir)
    gazes = _gaze_maps(root) if soft else {}
    stems = sorted(images.keys() & labels.keys())
    if not stems:
        raise InputError(
            f"{root} holds no pair: no image in {image_dir.name}/ has a label of the same name "
            f"in {label_dir.name}/."
        )
    pairs = tuple(Pair(images[s], labels[s], soft, gazes.get(s)) for s in stems)
    lonely = [images[s] for s in images.keys() - labels.keys()]
    lonely += [labels[s] for s in labels.keys() - images.keys()]
    return Dataset(root, pairs, weight, tuple(sorted(lonely)))


def open_dataset(spec: str) -> Dataset:
    """The set that a `--data` value names: `DIR` or `DIR=WEIGHT`.

    Raises:
        UsageError: if the weight is no number from 0 on.
        InputError: as `find_pairs`.
    """
    folder, equals, tail = spec.rpartition("=")
    if not equals or Path(spec).is_dir():
        return find_pairs(Path(spec))
    try:
        weight = float(tail)
    except ValueError:
        weight = -1.0
    if not 0.0 <= weight < 1e6:
        raise UsageError(f"--data {spec}: the weight {tail!r} is not a number from 0 on.")
    return find_pairs(Path(folder), weight)


def kept_out(stem: str, every: int) -> bool:
    """Whether a stem is kept out of training: one in `every`, by its SHA-1; 0 keeps none out."""
    return every > 0 and int(hashlib.sha1(stem.encode()).hexdigest(), 16) % every == 0


def split_fold(
    pairs: Sequence[Pair], share: float, seed: int
) -> tuple[tuple[Pair, ...], tuple[Pair, ...]]:
    """Training pairs and the held-out fold, `round(share · n)` hard pairs shuffled by the seed.

    Soft labels and cut-outs never enter the fold: they are no truth to measure against.
    """
    hard = [i for i, pair in enumerate(pairs) if not (pair.soft or pair.cutout)]
    order = np.random.default_rng(seed).permutation(len(hard))
    held = {hard[i] for i in order[: round(share * len(hard))]}
    return (
        tuple(pair for i, pair in enumerate(pairs) if i not in held),
        tuple(pair for i, pair in enumerate(pairs) if i in held),
    )


def file_list_digest(pairs: Iterable[Pair]) -> str:
    """SHA-256 over the names and sizes of every file, in order: which data a run has seen."""
    digest = hashlib.sha256()
    for pair in pairs:
        for path in dict.fromkeys((pair.image, pair.label)):
            digest.update(f"{path.parent.name}/{path.name} {path.stat().st_size}\n".encode())
    return digest.hexdigest()


def read_rgb(path: Path) -> np.ndarray:
    """An image as uint8 [H, W, 3]; EXIF rotation is not applied, as masks never have it.

    Raises:
        InputError: if it cannot be decoded.
    """
    return _decode(path, "RGB")


def read_gray(path: Path) -> np.ndarray:
    """A mask or a map as uint8 [H, W].

    Raises:
        InputError: if it cannot be decoded.
    """
    return _decode(path, "L")


def read_alpha(path: Path) -> np.ndarray:
    """The alpha plane of a cut-out as uint8 [H, W].

    Raises:
        InputError: if it cannot be decoded, or is opaque everywhere.
    """
    alpha = _decode(path, "RGBA")[..., 3]
    if alpha.min() == 255:
        raise InputError(f"{path} is no cut-out: it is opaque everywhere.")
    return alpha


def _decode(path: Path, mode: str) -> np.ndarray:
    try:
        with Image.open(path) as image:
            # A palette's transparency is only held in full by RGBA.
            whole = image.convert("RGBA") if "transparency" in image.info else image
            return np.asarray(whole.convert(mode))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise InputError(f"{path} cannot be read as an image ({error}).") from None


def decode(pair: Pair, soft_floor: float = 0.15, gaze: bool = False) -> Item:
    """Decode one pair.

    Args:
        gaze: read its fixation density too.
        soft_floor: what a soft label of one half counts in the loss; 0 and 1 count fully and
            the rest lies between, |2y - 1|.
    Raises:
        InputError: if either file cannot be read or their sizes differ.
    """
    image = read_rgb(pair.image)
    if pair.cutout:
        alpha = read_alpha(pair.image)
        return Item(pair, image, alpha, np.full_like(alpha, 255))
    label = read_gray(pair.label)
    if image.shape[:2] != label.shape:
        raise InputError(
            f"{pair.label} is {label.shape[1]}×{label.shape[0]}, but its image is "
            f"{image.shape[1]}×{image.shape[0]}."
        )
    if pair.soft:
        sure = np.abs(2.0 * (label.astype(np.float32) / 255.0) - 1.0)
        weight = np.round(255.0 * np.maximum(sure, soft_floor)).astype(np.uint8)
        return Item(pair, image, label, weight, _density(pair, *label.shape) if gaze else None)
    border = label == BORDER
    hard = np.where(label > BORDER, 255, 0).astype(np.uint8)
    return Item(pair, image, hard, np.where(border, 0, 255).astype(np.uint8))


def read_density(path: Path, height: int, width: int) -> np.ndarray:
    """A fixation density as uint8 [height, width], whatever its own size.

    Raises:
        InputError: if it cannot be decoded.
    """
    density = Image.fromarray(read_gray(path))
    return np.asarray(density.resize((width, height), Image.Resampling.BILINEAR))


def _density(pair: Pair, height: int, width: int) -> np.ndarray:
    """A pair's fixation density at the size of its label; 0 where it has none."""
    if pair.gaze is None:
        return np.zeros((height, width), np.uint8)
    return read_density(pair.gaze, height, width)


def free_memory() -> int:
    """Bytes of memory that can still be used."""
    try:
        for line in Path("/proc/meminfo").read_text("ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    except (AttributeError, ValueError, OSError):
        return 4 << 30


class Items(Sequence[Item]):
    """Decoded pairs; those that fit into the budget stay in memory, the rest is decoded anew."""

    def __init__(self, soft_floor: float, gaze: bool = False) -> None:
        self._soft_floor, self._gaze = soft_floor, gaze
        self._pairs: list[Pair] = []
        self._kept: list[Item | None] = []

    def append(self, item: Item, keep: bool) -> None:
        self._pairs.append(item.pair)
        self._kept.append(item if keep else None)

    def __len__(self) -> int:
        return len(self._pairs)

    def __getitem__(self, index: int) -> Item:  # type: ignore[override]
        return self._kept[index] or decode(self._pairs[index], self._soft_floor, self._gaze)

    def pair(self, index: int) -> Pair:
        """The pair at `index`, without decoding anything."""
        return self._pairs[index]


def load_items(
    pairs: Sequence[Pair],
    soft_floor: float = 0.15,
    budget: int | None = None,
    say: Callable[[str], None] = lambda _: None,
    gaze: bool = False,
) -> Items:
    """Decode pairs, leaving out what cannot be read.

    Args:
        gaze: with the fixation densities of soft labels.
        budget: bytes that may be kept in memory; None is half of what is free.
        say: told, in sentences, what was left out and which masks are empty.
    Raises:
        InputError: if more than one pair in a hundred cannot be read.
    """
    left = free_memory() // 2 if budget is None else budget
    items, problems, empty = Items(soft_floor, gaze), [], []
    for pair in pairs:
        try:
            item = decode(pair, soft_floor, gaze)
        except InputError as error:
            problems.append(str(error))
            continue
        if not pair.soft and not item.label.any():
            empty.append(str(pair.label))
        size = item.image.nbytes + item.label.nbytes + item.weight.nbytes
        items.append(item, keep=left >= size)
        left -= size
    if problems:
        listed = " ".join(problems[:10])
        if len(problems) > UNREADABLE_SHARE * len(pairs):
            raise InputError(
                f"{len(problems)} of {len(pairs)} pairs cannot be read, more than one in a "
                f"hundred; repair or remove them. {listed}"
            )
        say(f"{len(problems)} of {len(pairs)} pairs were left out. {listed}")
    if empty:
        say(f"{len(empty)} masks are empty and teach background only: {', '.join(empty[:10])}.")
    return items
