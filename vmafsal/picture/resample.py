"""Planes to the canonical size: area average down, bilinear up. Native models skip this."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vmafsal.errors import InputError
from vmafsal.video.frame import Frame

__all__ = ["PlaneResizer", "Resampler", "canonical_size"]

_LONGEST = 16_384

_NARROW = 16
# Where swscale's filter is wider than the picture, it reads past the end of a row: such planes
# are copied, with room behind them.

_KINDS = {8: "gray", **{bits: f"gray{bits}le" for bits in (9, 10, 12, 14)}}
# The depth's own format: above 14 bits swscale computes in wider words, and takes longer.


def canonical_size(height: int, width: int, short_side: int) -> tuple[int, int]:
    """The size whose short side is the one asked for and whose aspect is the picture's.

    Args:
        height, width: of the picture, in pixels.
        short_side: in pixels.
    Returns:
        (height, width); the long side is rounded to the nearest pixel.
    Raises:
        InputError: if the picture is so narrow that the long side becomes absurd.
    """
    short, long = sorted((height, width))
    scaled = int(long * short_side / short + 0.5)
    if scaled > _LONGEST:
        raise InputError(
            f"A picture of {width}x{height} is too narrow to be brought to a short side of "
            f"{short_side}: its long side would be {scaled}. Use short_side=native."
        )
    return (short_side, scaled) if height <= width else (scaled, short_side)


class PlaneResizer:
    """Resizes planes of one size and depth to another size, keeping swscale's tables."""

    def __init__(self) -> None:
        from av.video.reformatter import Interpolation, VideoReformatter

        self._reformatter = VideoReformatter()
        # AREA averages where it shrinks and is bilinear where it enlarges. Without ACCURATE_RND
        # its answers lean to one side by up to 0.06 grey levels; with it by less than 0.03, and
        # none is off by a whole one. docs/benchmarks.md has the measurements.
        self._flags = Interpolation.AREA | Interpolation.ACCURATE_RND

    def __call__(
        self, plane: NDArray[Any], height: int, width: int, bit_depth: int = 8
    ) -> NDArray[Any]:
        """Resize one plane.

        Args:
            plane: [H, W] uint8, or uint16 with samples of `bit_depth` bits in the low bits. It is
                read where it lies; its rows may be further apart than the width.
            height, width: wanted, in samples.
            bit_depth: 8 to 16.
        Returns:
            [height, width] of the plane's type, whose rows may be further apart than the width.
        """
        if plane.shape == (height, width):
            return plane
        from av import VideoFrame

        kind = _KINDS.get(bit_depth, "gray16le")
        if min(plane.shape[1], width) < _NARROW:
            source = VideoFrame.from_ndarray(np.ascontiguousarray(plane), kind)
        else:
            source = VideoFrame.from_numpy_buffer(plane, kind)
        scaled = self._reformatter.reformat(
            source, width=width, height=height, format=kind, interpolation=self._flags, threads=1
        ).planes[0]
        samples = np.frombuffer(memoryview(scaled), plane.dtype)
        return samples.reshape(height, scaled.line_size // samples.itemsize)[:, :width]


class Resampler:
    """Brings frames to one canonical size; every plane goes there straight from its own size."""

    def __init__(
        self, *, short_side: int | None = None, size: tuple[int, int] | None = None
    ) -> None:
        self._short_side = short_side
        self._size = size
        self._luma = PlaneResizer()
        self._chroma = PlaneResizer()

    def __call__(self, frame: Frame) -> Frame:
        """Resample a frame.

        Args:
            frame: no gap.
        Returns:
            a frame of the canonical size whose chroma is no longer subsampled (444, or 400 and
            rgb as before), with the same depth, index and tags.
        """
        if self._size is not None:
            height, width = self._size
        else:
            assert self._short_side is not None
            height, width = canonical_size(frame.height, frame.width, self._short_side)
        luma, *chroma = frame.planes
        return Frame(
            planes=(
                self._luma(luma, height, width, frame.bit_depth),
                *(self._chroma(plane, height, width, frame.bit_depth) for plane in chroma),
            ),
            chroma=frame.chroma if frame.chroma in ("400", "rgb") else "444",
            bit_depth=frame.bit_depth,
            index=frame.index,
            matrix=frame.matrix,
            full_range=frame.full_range,
        )
