"""The distribution that histogram matching brings maps to, from a file."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from vmafsal.errors import InputError

__all__ = ["Reference", "read_reference"]

_POINTS = 1 << 16
"""So many values describe a distribution; more would change no digit of a mean that is printed."""

_SCALES = {"1": 1.0, "L": 255.0, "I;16": 65535.0}
"""Pillow's name of each gray mode to the value of white."""

_HOW = (
    "A reference is a gray picture of a map, an .npy of values from 0 to 1, or an .npz with maps "
    "(as `vmafsal map -o maps.npz` writes) or with counts and edges (as numpy.histogram gives)."
)


@dataclass(frozen=True, slots=True)
class Reference:
    """A distribution, as its quantiles."""

    shares: NDArray[np.float64]
    """Share of the pixels below each value, ascending from 0 to 1."""
    values: NDArray[np.float64]
    """Ascending."""

    @classmethod
    def of_values(cls, values: NDArray[Any]) -> Reference:
        """The distribution of values, of any shape, at least one."""
        ordered = np.sort(np.asarray(values, np.float64).ravel())
        kept = np.linspace(0, len(ordered) - 1, min(len(ordered), _POINTS)).astype(np.int64)
        return cls((kept + 0.5) / len(ordered), ordered[kept])

    @classmethod
    def of_histogram(cls, counts: NDArray[Any], edges: NDArray[Any]) -> Reference:
        """The distribution of a histogram, whose values lie evenly in each bin.

        Args:
            counts: [N], from 0 up.
            edges: [N + 1], ascending.
        """
        shares = np.concatenate([[0.0], np.cumsum(counts, dtype=np.float64)])
        return cls(shares / shares[-1], np.asarray(edges, np.float64))


def read_reference(path: str) -> Reference:
    """Read a reference.

    Args:
        path: of a gray picture of 1, 8 or 16 bits, whose white is 1; of an .npy of values; or of
            an .npz with `maps`, or with `counts` and `edges`.
    Raises:
        InputError: if the file holds none, or values outside [0, 1].
    """
    try:
        with open(path, "rb") as file:
            start = file.read(6)
            file.seek(0)
            if start == b"\x93NUMPY":
                return Reference.of_values(_checked(np.load(file, allow_pickle=False), path))
            if start.startswith(b"PK"):
                return _from_archive(file, path)
            return Reference.of_values(_from_picture(file, path))
    except (OSError, MemoryError) as error:
        reason = getattr(error, "strerror", None) or "it is no picture"
        raise InputError(f"{path} cannot be used as a reference: {reason}. {_HOW}") from None
    except (ValueError, EOFError, zipfile.BadZipFile):
        raise InputError(f"{path} holds no values that can be read. {_HOW}") from None


def _from_archive(file: BinaryIO, path: str) -> Reference:
    with np.load(file, allow_pickle=False) as archive:
        if {"counts", "edges"} <= set(archive.files):
            counts, edges = archive["counts"], _checked(archive["edges"], path)
            fits = counts.ndim == edges.ndim == 1 and len(counts) + 1 == len(edges)
            if not fits or not (np.diff(edges) > 0).all() or not _are_counts(counts):
                raise InputError(f"{path} holds no histogram: {_HOW}")
            return Reference.of_histogram(counts, edges)
        if "maps" not in archive.files:
            raise InputError(f"{path} holds neither maps nor counts and edges. {_HOW}")
        return Reference.of_values(_checked(archive["maps"], path))


def _are_counts(counts: NDArray[Any]) -> bool:
    return (
        counts.dtype.kind in "uif"
        and bool(np.isfinite(counts).all() and (counts >= 0).all())
        and float(counts.sum()) > 0
    )


def _checked(values: NDArray[Any], path: str) -> NDArray[Any]:
    """Values that can be saliency."""
    if values.dtype.kind not in "uifb" or not values.size:
        raise InputError(f"{path} holds no numbers. {_HOW}")
    low, high = float(values.min()), float(values.max())
    if not (low >= 0 and high <= 1):
        raise InputError(
            f"{path} holds values from {low:g} to {high:g}; saliency lies between 0 and 1."
        )
    return values


def _from_picture(file: BinaryIO, path: str) -> NDArray[np.float64]:
    from PIL import Image

    try:
        with Image.open(file) as image:
            mode, values = image.mode, np.asarray(image)
    except Image.DecompressionBombError:
        raise InputError(f"{path} is too large a picture for a reference.") from None
    if mode not in _SCALES:
        raise InputError(
            f"{Path(path).name} is a picture in colour ({mode}), and a reference is gray. Write it "
            "without --colormap and --view."
        )
    return values / _SCALES[mode]
