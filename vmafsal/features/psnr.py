"""PSNR of the luma, of the whole picture and weighted by a saliency map."""

from __future__ import annotations

from math import log10, nan
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vmafsal.maps.area import area_average, average_columns, axis, even_edges, matmul

__all__ = ["SALIENT", "Psnr", "psnr"]

SALIENT = 0.5
"""Saliency from which a pixel of the map counts as salient."""


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
    salient = (weights >= SALIENT).astype(np.float64)

    def weighted(weight: NDArray[np.float64]) -> float:
        sum_of_weights = float(weight.sum())
        return (
            _decibels(float((error * weight).sum()) / sum_of_weights, bit_depth)
            if sum_of_weights
            else nan
        )

    return Psnr(
        _decibels(total / (height * width), bit_depth),
        weighted(weights),
        weighted(salient),
        weighted(1 - salient),
    )


def _squared_error(
    reference: NDArray[Any], distorted: NDArray[Any], grid: tuple[int, int], bit_depth: int
) -> tuple[int, NDArray[np.float64]]:
    """The sum of squared errors, which is exact, and their means over the cells of a grid.

    Returns:
        the sum, and float64 [cells] of the grid row by row.
    """
    # A sum of 256 squares of 8 bits is a whole number below 2^24, which float32 holds exactly.
    dtype = np.float32 if bit_depth <= 8 else np.float64
    height, width = reference.shape
    rows = axis(even_edges(grid[0], height), dtype)
    narrow = np.empty((grid[0], width), dtype)
    total = counted = 0
    for pixels, cells, weights in rows.pieces:
        # Unsigned samples: the larger minus the smaller cannot wrap round.
        larger = np.maximum(reference[pixels], distorted[pixels])
        larger -= np.minimum(reference[pixels], distorted[pixels])
        error = larger.astype(dtype)
        error *= error
        # Pieces may share a row of pixels.
        for begin in range(counted - pixels.start, len(error), 256):
            part = error[begin : begin + 256]
            total += int(part.sum(axis=0, dtype=dtype).sum(dtype=np.float64))
        counted = pixels.stop
        if rows.is_identity:
            narrow[cells] = error
        else:
            matmul(weights, error, out=narrow[cells])
    small = average_columns(narrow, axis(even_edges(grid[1], width), dtype))
    return total, small.ravel().astype(np.float64)


def _brought_to(saliency: NDArray[np.float32], grid: tuple[int, int]) -> NDArray[np.float32]:
    if saliency.shape == grid:
        return saliency
    edges = (even_edges(cells, side) for cells, side in zip(grid, saliency.shape, strict=True))
    return area_average(saliency, *(axis(side) for side in edges))


def _decibels(mean_squared_error: float, bit_depth: int) -> float:
    peak = (1 << bit_depth) - 1
    return min(10 * log10(peak * peak / max(mean_squared_error, 1e-16)), 6 * bit_depth + 12)
