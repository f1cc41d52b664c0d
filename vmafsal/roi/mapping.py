"""From saliency maps to QP offsets of an encoder's blocks, steady over time.

A block of saliency s gets the offset -3 log2((1 - a) + a s / m), where m is the mean of the
frame's map and a the share of importance that follows saliency. The squared error of a coded
block grows as 2^(QP / 3), so this is the offset at which the error weighted by
(1 - a) + a s / m is the same everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vmafsal.errors import UsageError
from vmafsal.maps.area import area_average, axis, block_edges
from vmafsal.roi.cuts import CutDetector

__all__ = ["HIGHEST", "LOWEST", "BlockGrid", "Mapping", "offsets_of"]

LOWEST, HIGHEST = -8, 6
"""Limits of the offsets, in QP."""

_LEAST_MEAN = 0.05
# Where nothing stands out, the mean is near 0, and s / m would be large for noise.


@dataclass(frozen=True, slots=True)
class BlockGrid:
    """Square blocks of a picture, row by row; the last of a row or column may be partial."""

    width: int
    """Of the picture, in pixels."""
    height: int
    """Of the picture, in pixels."""
    block: int
    """Side of a block, in pixels."""

    @property
    def columns(self) -> int:
        """Blocks in a row."""
        return -(-self.width // self.block)

    @property
    def rows(self) -> int:
        """Rows of blocks."""
        return -(-self.height // self.block)

    def averages(self, picture: NDArray[Any]) -> NDArray[np.float32]:
        """The mean of each block, partial ones over their own pixels.

        Args:
            picture: [h, w] of any size, stretched over the grid's picture.
        Returns:
            float32 [rows, columns].
        """
        height, width = picture.shape
        return area_average(
            picture,
            axis(block_edges(self.block, self.height, height)),
            axis(block_edges(self.block, self.width, width)),
        )

    def areas(self) -> NDArray[np.float64]:
        """Share of the picture that each block covers, float64 [rows, columns]."""
        high, wide = (
            np.diff(block_edges(self.block, side, side)) / side
            for side in (self.height, self.width)
        )
        return np.outer(high, wide)


def offsets_of(
    saliency: NDArray[np.floating[Any]], areas: NDArray[np.float64], share: float
) -> NDArray[np.int8]:
    """QP offsets of the blocks of one frame.

    Args:
        saliency: [rows, columns] means of the blocks, each in [0, 1].
        areas: share of the picture that each covers, as BlockGrid.areas() gives it.
        share: of importance that follows saliency, 0 to below 1. The offset of a block without
            saliency is -3 log2(1 - share).
    Returns:
        int8 [rows, columns], whole QP from -8 to +6; negative is finer.
    """
    mean = max(float((saliency * areas).sum()), _LEAST_MEAN)
    exact = -3 * np.log2((1 - share) + share * saliency / mean)
    offsets: NDArray[np.int8] = np.clip(np.rint(exact), LOWEST, HIGHEST).astype(np.int8)
    return offsets


class Mapping:
    """Maps the frames of one video, in order."""

    def __init__(self, grid: BlockGrid, share: float = 0.5, smooth: float = 0.5) -> None:
        """
        Args:
            grid: the encoder's blocks.
            share: see offsets_of; from 0 to 0.9.
            smooth: weight of the frame itself in the moving average of block means; 1 takes each
                frame alone.
        Raises:
            UsageError: if share or smooth is out of range.
        """
        if not 0 <= share <= 0.9:
            raise UsageError(f"--share is a number from 0 to 0.9, not {share:g}.")
        if not 0 < smooth <= 1:
            raise UsageError(f"--smooth is a number above 0 and up to 1, not {smooth:g}.")
        self.grid = grid
        self.cuts = 0
        """Scene cuts so far; the moving average begins anew at each."""
        self._share, self._smooth = share, smooth
        self._areas = grid.areas()
        self._average: NDArray[np.float32] | None = None
        self._is_cut = CutDetector()

    def __call__(
        self, saliency: NDArray[np.float32], luma: NDArray[Any], bit_depth: int = 8
    ) -> NDArray[np.int8]:
        """Offsets of the next frame.

        Args:
            saliency: its map, float32 [h, w] of any size.
            luma: its first plane, [H, W] uint8 or uint16; scene cuts are found in it.
            bit_depth: of a sample.
        Returns:
            int8 [grid.rows, grid.columns], in whole QP.
        """
        blocks = self.grid.averages(saliency)
        if self._is_cut(self.grid.averages(luma) / np.float32((1 << bit_depth) - 1)):
            self.cuts += 1
            self._average = None
        if self._average is not None:
            blocks = self._smooth * blocks + (1 - self._smooth) * self._average
        self._average = blocks
        return offsets_of(blocks, self._areas, self._share)
