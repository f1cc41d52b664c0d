"""PSNR of the luma, of the whole picture and weighted by a saliency map."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import log10, nan
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vmafsal.maps.area import Axis, area_average, average_columns, axis, even_edges, product

__all__ = ["SALIENT", "Psnr", "psnr"]

SALIENT = 0.5
"""Saliency from which a pixel of the map counts as salient."""

_CELLS = 3
# Rows of cells of one matrix product. With the row that sums they make 4, as many as BLAS computes
# at once, and few enough that a product of 1080p is one call.
_FEWEST_ROWS = 8
# Rows of pixels whose squares float32 must be able to sum exactly; else float64 is used.


class Psnr(NamedTuple):
    """PSNR of one picture's luma, in dB; the names are those of the columns of a log."""

    psnr_y: float
    """Of the whole picture, as libvmaf computes it."""
    psnr_y_saliency: float
    """Of the squared error weighted by saliency; NaN where the map is 0 everywhere."""
    psnr_y_salient: float
    """Of the part where saliency is at least 0.5; NaN where there is none."""
    psnr_y_background: float
    """Of the part where saliency is below 0.5; NaN where there is none."""


def psnr(
    reference: NDArray[Any],
    distorted: NDArray[Any],
    saliency: NDArray[np.float32],
    bit_depth: int = 8,
) -> Psnr:
    """PSNR of one picture.

    The squared error is averaged down to the size of the map by area, so that no value of the
    map is made up. A side along which the map is the larger of the two is averaged down instead.

    Args:
        reference, distorted: luma of the two pictures: [H, W] uint8, or uint16 with samples of
            `bit_depth` bits in the low bits.
        saliency: map of the reference, float32 [h, w], each pixel in [0, 1].
        bit_depth: 8 to 16.
    Raises:
        ValueError: if the two pictures differ in size.
    Source: libvmaf integer_psnr.c (cap of 6 bits + 12 dB; the weights are this project's own).
    """
    if reference.shape != distorted.shape:
        raise ValueError(f"{reference.shape} and {distorted.shape} are two sizes.")
    height, width = reference.shape
    grid = min(height, saliency.shape[0]), min(width, saliency.shape[1])
    total, error = _squared_error(reference, distorted, grid, bit_depth)
    weights = _brought_to(saliency, grid).ravel().astype(np.float64)
    salient = weights >= SALIENT

    def weighted(weight: NDArray[np.float64], total: float) -> float:
        # Not by BLAS, which would divide so long a sum among threads of its own.
        return (
            _decibels(float(np.einsum("i,i", error, weight)) / total, bit_depth) if total else nan
        )

    count = int(np.count_nonzero(salient))
    return Psnr(
        _decibels(total / (height * width), bit_depth),
        weighted(weights, float(weights.sum())),
        weighted(salient.astype(np.float64), count),
        weighted((~salient).astype(np.float64), salient.size - count),
    )


def _squared_error(
    reference: NDArray[Any], distorted: NDArray[Any], grid: tuple[int, int], bit_depth: int
) -> tuple[int, NDArray[np.float64]]:
    """The sum of squared errors, which is exact, and their means over the cells of a grid.

    Returns:
        the sum, and float64 [cells] of the grid row by row.
    """
    height, width = reference.shape
    bands = _bands(grid[0], height, bit_depth)
    # One set of buffers, which stays in cache.
    larger, smaller = np.empty((2, bands.longest, width), reference.dtype)
    squares = np.empty((bands.longest, width), bands.dtype)
    sums = np.empty((len(bands.cells) + len(bands.counts), width), bands.dtype)
    for pixels, rows, weights in bands.pieces:
        length = pixels.stop - pixels.start
        high, low, error = larger[:length], smaller[:length], squares[:length]
        # Unsigned samples: the larger minus the smaller cannot wrap round.
        np.maximum(reference[pixels], distorted[pixels], out=high)
        np.minimum(reference[pixels], distorted[pixels], out=low)
        np.subtract(high, low, out=high)
        np.copyto(error, high)
        np.multiply(error, error, out=error)
        product(weights, error, out=sums[rows])
    total = sum(int(one) for one in sums[bands.counts].sum(axis=1, dtype=np.float64))
    small = average_columns(sums, axis(even_edges(grid[1], width), bands.dtype))
    return total, small[bands.cells].ravel().astype(np.float64)


@dataclass(frozen=True, slots=True)
class _Bands:
    """A picture in bands, with the weights that make rows of sums of a band's rows of pixels."""

    dtype: Any
    pieces: list[tuple[slice, slice, NDArray[Any]]]
    """(pixels, rows of sums, weights [rows, pixels]) of each band."""
    cells: NDArray[np.intp]
    """The rows of sums that are means over the cells of the grid, in order."""
    counts: NDArray[np.intp]
    """The others: plain sums, in which each row of pixels counts once."""

    @property
    def longest(self) -> int:
        """Rows of pixels of the highest band."""
        return max(int(pixels.stop - pixels.start) for pixels, _, _ in self.pieces)


@lru_cache(maxsize=64)
def _bands(cells: int, height: int, bit_depth: int) -> _Bands:
    """The bands of a grid with so many rows of cells.

    Plain sums are exact: each has so few rows that it stays below 2^24 in float32, or 2^53 in
    float64, up to where these types hold every whole number.
    """
    greatest = ((1 << bit_depth) - 1) ** 2
    dtype, digits = (np.float32, 24) if (1 << 24) // greatest >= _FEWEST_ROWS else (np.float64, 53)
    most = (1 << digits) // greatest
    pieces: list[tuple[slice, slice, NDArray[Any]]] = []
    means: list[int] = []
    counts: list[int] = []
    first = counted = 0
    for pixels, _, weights in Axis(even_edges(cells, height), dtype, _CELLS).pieces:
        length = pixels.stop - pixels.start
        # Neighbours may share a row of pixels.
        begins = range(counted - pixels.start, length, most)
        ones = np.zeros((len(begins), length), dtype)
        for row, begin in zip(ones, begins, strict=True):
            row[begin : begin + most] = 1
        counted = pixels.stop
        rows = np.concatenate([weights, ones])
        means += range(first, first + len(weights))
        counts += range(first + len(weights), first + len(rows))
        pieces.append((pixels, slice(first, first + len(rows)), rows))
        first += len(rows)
    return _Bands(dtype, pieces, np.array(means), np.array(counts))


def _brought_to(saliency: NDArray[np.float32], grid: tuple[int, int]) -> NDArray[np.float32]:
    if saliency.shape == grid:
        return saliency
    edges = (even_edges(cells, side) for cells, side in zip(grid, saliency.shape, strict=True))
    return area_average(saliency, *(axis(side) for side in edges))


def _decibels(mean_squared_error: float, bit_depth: int) -> float:
    peak = (1 << bit_depth) - 1
    return min(10 * log10(peak * peak / max(mean_squared_error, 1e-16)), 6 * bit_depth + 12)
