"""The project's own file of QP offsets, JSON, for players and encoders' programming interfaces.

{"format": "vmafsal-roi", "version": 1, "unit": "qp", "width": 1920, "height": 1080, "block": 16,
"columns": 120, "rows": 68, "frames": [{"frameNum": 0, "offsets": [[0, -1, ...], ...]}, ...]}

Offsets are whole QP, row by row, negative is finer. Blocks at the right and bottom may be partial.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from vmafsal.roi.mapping import BlockGrid

__all__ = ["pieces"]


def pieces(grid: BlockGrid, frames: Iterable[tuple[int, NDArray[np.int8]]]) -> Iterator[str]:
    """The text of the file, a frame at a time.

    Args:
        grid: blocks of the picture.
        frames: (frameNum, int8 [rows, columns] offsets in QP), in display order.
    """
    head = {
        "format": "vmafsal-roi",
        "version": 1,
        "unit": "qp",
        "width": grid.width,
        "height": grid.height,
        "block": grid.block,
        "columns": grid.columns,
        "rows": grid.rows,
    }
    yield json.dumps(head)[:-1] + ', "frames": ['
    separator = "\n"
    for number, offsets in frames:
        frame = {"frameNum": number, "offsets": offsets.tolist()}
        yield separator + json.dumps(frame, separators=(",", ":"))
        separator = ",\n"
    yield "\n]}\n"
