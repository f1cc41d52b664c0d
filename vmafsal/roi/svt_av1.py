"""The file that SvtAv1EncApp reads with --roi-map-file: text, one line a frame.

A line is the frame's number in display order from 0, then one qindex offset for each 64x64 block,
row by row; positive is coarser. It holds until the next line, so frames whose line would repeat
the one before are left out. Checked against SvtAv1EncApp 2.3.0 and 4.1.0.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["BLOCK", "MOST_VALUES", "lines", "to_qindex"]

BLOCK = 64
"""Side of a block, in pixels."""

MOST_VALUES = 8
"""Different values in one line: AV1 has as many segments."""

_QINDEX_PER_QP = 7
# Of the encoder's own table: one QP of H.264 or HEVC is 6 to 7 qindex from qindex 120 up.

_LOWEST = -20
# Below that, SVT-AV1 2.3 spends more bits on a worse block.


def to_qindex(offsets: NDArray[np.int8]) -> NDArray[np.int16]:
    """Offsets in qindex, of at most 8 different values, the highest of them 0 or more.

    Args:
        offsets: int8 [rows, columns], in QP.
    Returns:
        int16 [rows, columns].
    """
    whole = offsets.astype(np.int16)
    step = 1
    while True:
        coarse = np.rint(whole / step).astype(np.int16) * step
        values = np.maximum(coarse * _QINDEX_PER_QP, _LOWEST)
        if len(np.unique(values)) <= MOST_VALUES:
            # A line of negative values alone "may result in undecodable bitstream".
            return values - min(0, int(values.max()))
        step += 1


def lines(frames: Iterable[tuple[int, NDArray[np.int8]]]) -> Iterator[str]:
    """The lines of the file, each with its end.

    Args:
        frames: (number from 0, offsets in QP), in display order.
    """
    last: NDArray[Any] | None = None
    for number, offsets in frames:
        values = to_qindex(offsets)
        if last is None or not np.array_equal(values, last):
            yield f"{number} {' '.join(map(str, values.ravel().tolist()))}\n"
        last = values
