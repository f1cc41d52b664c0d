"""The file that kvazaar and uvg266 read with --roi: one map a frame, in coding order.

Text: width and height in blocks of 64x64, then one QP offset a block, row by row; positive is
coarser. Binary, in a file that ends in .bin: the same as two int32 and one int8 a block, all
little-endian. Checked against kvazaar 2.3.1; uvg266 has the same reader.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

__all__ = ["BLOCK", "GOPS", "binary_map", "coding_order", "in_coding_order", "text_map"]

BLOCK = 64
"""Side of a block, in pixels."""

GOPS = ("0", "lp", "8", "16")
"""Values of --gop: no B-frames, low delay (lp-g4d3t1), and hierarchies of 8 and 16."""

T = TypeVar("T")


def text_map(offsets: NDArray[np.int8]) -> bytes:
    """One map as text.

    Args:
        offsets: int8 [rows, columns] in QP, within -12..+12: from a step of 26 between
            neighbours on, the encoder aborts.
    """
    _check(offsets)
    rows, columns = offsets.shape
    grid = "\n".join(" ".join(map(str, row)) for row in offsets.tolist())
    return f"{columns} {rows}\n{grid}\n".encode("ascii")


def binary_map(offsets: NDArray[np.int8]) -> bytes:
    """One map as bytes; see text_map."""
    _check(offsets)
    rows, columns = offsets.shape
    return struct.pack("<ii", columns, rows) + offsets.tobytes()


def _check(offsets: NDArray[np.int8]) -> None:
    if offsets.size and int(np.abs(offsets).max()) > 12:
        raise ValueError("Offsets beyond -12..+12 QP make kvazaar abort.")


def coding_order(gop: str) -> list[int]:
    """The order in which the frames of one group of pictures are coded.

    Args:
        gop: one of GOPS.
    Returns:
        positions in the group, from 1; [1] where frames are coded in display order.
    Source: kvazaar gop.h and input_frame_buffer.c (the hierarchies of 8 and 16).
    """

    def between(low: int, high: int) -> Iterator[int]:
        middle = (low + high) // 2
        if middle > low:
            yield middle
            yield from between(low, middle)
            yield from between(middle, high)

    size = int(gop) if gop in ("8", "16") else 1
    return [size, *between(0, size)]


def in_coding_order(frames: Iterable[T], gop: str) -> Iterator[T]:
    """Reorder frames from display order; at most one group of pictures is held.

    Args:
        frames: in display order.
        gop: one of GOPS, with open groups of pictures as is kvazaar's default.
    Yields:
        the same, in coding order. In a last group that is cut short, the frames that are there
        keep their order.
    """
    order = coding_order(gop)
    waiting = iter(frames)
    for first in waiting:
        yield first
        break
    while group := [frame for _, frame in zip(order, waiting, strict=False)]:
        yield from (group[place - 1] for place in order if place <= len(group))
