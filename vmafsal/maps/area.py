"""Averages of a picture over the cells of a coarser grid, each pixel by the area it covers."""

from __future__ import annotations

from functools import lru_cache
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "Axis",
    "area_average",
    "average_columns",
    "axis",
    "block_edges",
    "even_edges",
    "product",
]

_CELLS = 8
# Cells of one matrix product: few enough that its zeros cost little and its pixels stay in cache.
_PRODUCTS = 1 << 18
# Multiplications of one call of BLAS: above, OpenBLAS divides the work among threads of its own
# (interface/gemm.c: SMP_THRESHOLD_MIN * GEMM_MULTITHREAD_THRESHOLD).

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

    def __init__(self, edges: Edges, dtype: Any = np.float32, at_once: int = _CELLS) -> None:
        """Compute the weights.

        Args:
            edges: of the cells.
            dtype: of the weights, and so of the averages.
            at_once: cells of a piece.
        """
        self.cells = len(edges) - 1
        self.dtype = np.dtype(dtype)
        self.is_identity = edges == tuple(range(self.cells + 1))
        """True where each cell is one pixel."""
        self.pieces: list[tuple[slice, slice, NDArray[Any]]] = []
        """(pixels, cells, weights [cells, pixels]) of a few cells each. A row of weights sums to
        1. Neighbouring pieces may share a pixel."""
        lows, highs = np.array(edges[:-1]), np.array(edges[1:])
        for first in range(0, self.cells, at_once):
            low, high = lows[first : first + at_once, None], highs[first : first + at_once, None]
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
        product(weights, picture[pixels].astype(rows.dtype, copy=False), out=narrow[cells])
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
        product(picture[:, pixels], weights.T, out=small[:, cells])
    return small


def product(left: NDArray[Any], right: NDArray[Any], out: NDArray[Any]) -> None:
    """A matrix product in calls so small that BLAS leaves each to the thread that asks for it.

    Workers average pictures at the same time, and OpenBLAS's own threads would wait for each other
    spinning: of 8 threads on 2 busy cores, each product of [8, 45] and [45, 1920] took 6.2 ms of
    processor time with them, and 0.09 ms without.

    Args:
        left, right: [M, K] and [K, N].
        out: [M, N], which is written.
    """
    (rows, inner), columns = left.shape, right.shape[1]
    if rows * inner * columns <= _PRODUCTS:
        np.matmul(left, right, out=out)
    elif columns >= rows:
        step = max(1, _PRODUCTS // (rows * inner))
        for part in (slice(first, first + step) for first in range(0, columns, step)):
            np.matmul(left, right[:, part], out=out[:, part])
    else:
        step = max(1, _PRODUCTS // (columns * inner))
        for part in (slice(first, first + step) for first in range(0, rows, step)):
            np.matmul(left[part], right, out=out[part])
