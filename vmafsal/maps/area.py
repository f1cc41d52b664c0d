"""Averages of a picture over the cells of a coarser grid, each pixel by the area it covers."""

from __future__ import annotations

from functools import lru_cache
from math import ceil
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Axis", "area_average", "average_columns", "axis", "block_edges", "even_edges"]

_CELLS = 8
# Cells of one matrix product: few enough that its zeros cost little and its pixels stay in cache.

Edges = tuple[float, ...]
"""Rising positions in pixels, from 0 to the length of a side: one more than there are cells."""


def even_edges(cells: int, length: int) -> Edges:
    """Edges of equal cells that fill a side.

    Args:
        cells: how many, at least 1.
        length: of the side, in pixels.
    """
    return tuple(number * length / cells for number in range(cells + 1))


def block_edges(block: int, length: int, pixels: int) -> Edges:
    """Edges of an encoder's blocks, in pixels of a picture of another size than the video.

    Args:
        block: side of a block, in pixels of the video.
        length: side of the video, in pixels. Its last block may be a partial one.
        pixels: the same side of the picture that is to be averaged.
    """
    blocks = ceil(length / block)
    return tuple(min(number * block, length) * pixels / length for number in range(blocks + 1))


class Axis:
    """One side of a grid: how much each pixel counts in each cell."""

    def __init__(self, edges: Edges, dtype: Any = np.float32) -> None:
        """Compute the weights.

        Args:
            edges: of the cells.
            dtype: of the weights, and so of the averages.
        """
        self.cells = len(edges) - 1
        self.dtype = np.dtype(dtype)
        self.is_identity = edges == tuple(range(self.cells + 1))
        """True where each cell is one pixel."""
        self.pieces: list[tuple[slice, slice, NDArray[Any]]] = []
        """(pixels, cells, weights [cells, pixels]) of a few cells each. A row of weights sums to
        1. Neighbouring pieces may share a pixel."""
        lows, highs = np.array(edges[:-1]), np.array(edges[1:])
        for first in range(0, self.cells, _CELLS):
            low, high = lows[first : first + _CELLS, None], highs[first : first + _CELLS, None]
            begin, end = int(low[0, 0]), ceil(high[-1, 0] - 1e-9)
            pixel = np.arange(begin, end)
            covered = np.clip(np.minimum(high, pixel + 1) - np.maximum(low, pixel), 0, None)
            weights = (covered / (high - low)).astype(dtype)
            self.pieces.append((slice(begin, end), slice(first, first + len(low)), weights))


@lru_cache(maxsize=64)
def axis(edges: Edges, dtype: Any = np.float32) -> Axis:
    """An Axis, kept for the pictures to come."""
    return Axis(edges, dtype)


def area_average(picture: NDArray[Any], rows: Axis, columns: Axis) -> NDArray[Any]:
    """Average a picture over the cells of a grid.

    Args:
        picture: [H, W], of any number type.
        rows, columns: the two sides of the grid, over H and W pixels.
    Returns:
        [rows.cells, columns.cells], of the weights' type.
    """
    if rows.is_identity:
        return average_columns(picture.astype(rows.dtype, copy=False), columns)
    narrow = np.empty((rows.cells, picture.shape[1]), rows.dtype)
    for pixels, cells, weights in rows.pieces:
        matmul(weights, picture[pixels].astype(rows.dtype, copy=False), out=narrow[cells])
    return average_columns(narrow, columns)


def average_columns(picture: NDArray[Any], columns: Axis) -> NDArray[Any]:
    """Average a picture along its rows alone.

    Args:
        picture: [H, W], of the weights' type.
        columns: over W pixels.
    Returns:
        [H, columns.cells].
    """
    if columns.is_identity:
        return picture
    small = np.empty((len(picture), columns.cells), columns.dtype)
    for pixels, cells, weights in columns.pieces:
        matmul(picture[:, pixels], weights.T, out=small[:, cells])
    return small


_BLAS = Lock()


def matmul(left: NDArray[Any], right: NDArray[Any], out: NDArray[Any]) -> None:
    """np.matmul, by one thread at a time: several at once can stand still in OpenBLAS."""
    with _BLAS:
        np.matmul(left, right, out=out)
