"""Encode a video as often as its settings need, with offsets from its maps, and measure it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack

import numpy as np
from numpy.typing import NDArray

from vmafsal.features.pooling import pool
from vmafsal.features.psnr import Psnr, psnr
from vmafsal.roi.encode import Encoded, OffsetStore, Original, encode, statistics_file
from vmafsal.roi.encoder import Encoding, Shape
from vmafsal.roi.mapping import Mapping
from vmafsal.video import open_source
from vmafsal.video.frame import Frame

__all__ = ["encode_plain", "encode_regions", "measure"]

Mapped = tuple[Frame, NDArray[np.float32]]
"""A frame and its saliency map."""


def encode_regions(
    mapped: Iterable[Mapped],
    again: Callable[[], Iterable[Frame]],
    mapping: Mapping,
    shape: Shape,
    encoding: Encoding,
    path: str,
    original: Original,
    *,
    named: str | None = None,
) -> Encoded:
    """Encode with offsets; a bitrate takes two passes, with the same offsets in both.

    Without offsets in the first pass, x264 would ignore those of the second: it takes the QP of
    blocks from the first pass's statistics.

    Args:
        mapped: frames and maps, in order.
        again: reads the same frames anew, for a second pass.
        mapping: maps to offsets.
        shape, encoding, path, original, named: as encode() takes them.
    """
    marked = (
        (frame, mapping(saliency, frame.planes[0], frame.bit_depth)) for frame, saliency in mapped
    )
    if encoding.bitrate is None:
        return encode(marked, shape, encoding, path, original, named=named)
    store = OffsetStore()
    with statistics_file() as statistics:
        first = store.keeping(marked)
        encode(first, shape, encoding, path, original, number=1, statistics=statistics)
        second = store.again(again())
        return encode(
            second, shape, encoding, path, original, number=2, statistics=statistics, named=named
        )


def encode_plain(
    frames: Callable[[], Iterable[Frame]],
    shape: Shape,
    encoding: Encoding,
    path: str,
    original: Original,
    *,
    named: str | None = None,
) -> Encoded:
    """Encode without offsets at a bitrate, in two passes.

    Args:
        frames: reads the frames anew at each call; gaps are left out.
        shape, encoding, path, original, named: as encode() takes them.
    """

    def unmarked() -> Iterator[tuple[Frame, None]]:
        return ((frame, None) for frame in frames() if not frame.is_gap)

    with statistics_file() as statistics:
        encode(unmarked(), shape, encoding, path, original, number=1, statistics=statistics)
        return encode(
            unmarked(),
            shape,
            encoding,
            path,
            original,
            number=2,
            statistics=statistics,
            named=named,
        )


def measure(mapped: Iterable[Mapped], paths: Sequence[str]) -> list[Psnr]:
    """PSNR of encodes against their input, with the weights of the input's maps.

    Args:
        mapped: frames of the input and their maps, in order.
        paths: of the encodes.
    Returns:
        the means over the frames, of each encode; NaN where no frame has a value.
    """
    rows: list[list[Psnr]] = [[] for _ in paths]
    with ExitStack() as stack:
        encodes = [stack.enter_context(open_source(path)).frames() for path in paths]
        for frame, saliency in mapped:
            for row, frames in zip(rows, encodes, strict=True):
                distorted = _frame_number(frame.index, frames)
                if distorted is not None:
                    row.append(
                        psnr(frame.planes[0], distorted.planes[0], saliency, frame.bit_depth)
                    )
    return [Psnr(*(pool(column)["mean"] for column in zip(*row, strict=True))) for row in rows]


def _frame_number(index: int, frames: Iterator[Frame]) -> Frame | None:
    """The frame of an index; None if it is a gap, or beyond the end."""
    for frame in frames:
        if frame.index >= index:
            return None if frame.is_gap else frame
    return None
