"""Rectangles of equal offset, merged from blocks, as ffmpeg's encoders take them."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vmafsal.roi.mapping import BlockGrid

__all__ = ["Rectangle", "rectangles"]


class Rectangle(NamedTuple):
    """Pixels from (left, top) up to, and without, (right, bottom)."""

    top: int
    bottom: int
    left: int
    right: int
    offset: int
    """In QP."""


def rectangles(offsets: NDArray[np.int8], grid: BlockGrid) -> list[Rectangle]:
    """Merge blocks of equal offset: along rows first, then runs of equal extent downwards.

    Args:
        offsets: int8 [grid.rows, grid.columns], in QP.
        grid: the blocks; rectangles end at the picture's own edges.
    Returns:
        rectangles that do not overlap and hold every block whose offset is not 0.
    """
    merged: list[Rectangle] = []
    open_runs: dict[tuple[int, int, int], int] = {}
    """(first column, column behind the last, offset) to the row where the run began."""

    def close(run: tuple[int, int, int], begin: int, end: int) -> None:
        first, behind, offset = run
        merged.append(
            Rectangle(
                begin * grid.block,
                min(end * grid.block, grid.height),
                first * grid.block,
                min(behind * grid.block, grid.width),
                offset,
            )
        )

    for number, row in enumerate(offsets):
        edges = [0, *(np.flatnonzero(np.diff(row)) + 1).tolist(), len(row)]
        runs = [(first, behind, int(row[first])) for first, behind in pairwise(edges) if row[first]]
        for run in [run for run in open_runs if run not in runs]:
            close(run, open_runs.pop(run), number)
        for run in runs:
            open_runs.setdefault(run, number)
    for run, begin in open_runs.items():
        close(run, begin, len(offsets))
    return merged
