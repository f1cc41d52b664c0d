"""Raw planar YUV: nothing in the file but samples."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vmafsal.errors import InputError, UsageError
from vmafsal.video.base import SourceInfo, label
from vmafsal.video.files import ByteInput
from vmafsal.video.frame import Chroma, Frame
from vmafsal.video.planar import PlanarLayout, PlanarSource, planar_frame

__all__ = ["RawSource", "check_raw_options", "check_size"]

RAW_CHROMAS: tuple[Chroma, ...] = ("420", "422", "444", "400")
RAW_DEPTHS = (8, 10, 12, 16)
MAX_SIDE = 32768
"""Pixels: larger than any video format, so that a typing error is likely beyond it."""

_USUAL_SIZES = (
    (3840, 2160),
    (2560, 1440),
    (1920, 1080),
    (1280, 720),
    (960, 540),
    (854, 480),
    (832, 480),
    (720, 576),
    (720, 480),
    (640, 480),
    (640, 360),
    (576, 324),
    (416, 240),
    (352, 288),
    (176, 144),
)
"""Tried, for a hint alone, when a file holds no whole number of frames."""


def check_size(option: str, value: int) -> None:
    """Refuse a width or height that is not positive or absurd.

    Raises:
        UsageError: naming the option.
    """
    if not 1 <= value <= MAX_SIDE:
        raise UsageError(f"{option} must be between 1 and {MAX_SIDE}, not {value}.")


def check_raw_options(
    path: str, width: int | None, height: int | None, chroma: str, bit_depth: int
) -> PlanarLayout:
    """The layout that the user described.

    Raises:
        UsageError: if width or height is missing, or the pixel format or depth is unknown.
    """
    if width is None or height is None:
        raise UsageError(
            f"{label(path)} is raw video, which does not tell its size: give --width and "
            "--height (and --pixel_format and --bitdepth where they are not 420 and 8)."
        )
    chosen = next((known for known in RAW_CHROMAS if known == chroma), None)
    if chosen is None:
        raise UsageError(f"--pixel_format must be one of 420, 422, 444, 400, not {chroma}.")
    if bit_depth not in RAW_DEPTHS:
        raise UsageError(f"--bitdepth must be one of 8, 10, 12, 16, not {bit_depth}.")
    return PlanarLayout(width, height, chosen, bit_depth)


def other_layouts(size: int, layout: PlanarLayout) -> list[PlanarLayout]:
    """Layouts of which `size` bytes are a whole number of frames: the same picture size with
    another format, then usual sizes with the same format."""
    sides = (layout.width, layout.height)
    same_size = [
        PlanarLayout(*sides, chroma, depth) for chroma in RAW_CHROMAS for depth in RAW_DEPTHS
    ]
    same_format = [PlanarLayout(*usual, layout.chroma, layout.bit_depth) for usual in _USUAL_SIZES]
    return [
        other
        for other in [*same_size, *same_format]
        if other != layout and size >= other.frame_bytes and size % other.frame_bytes == 0
    ]


class RawSource(PlanarSource):
    """Raw planar YUV from a file, a named pipe or standard input."""

    def __init__(
        self, source: ByteInput, layout: PlanarLayout, framerate: float | None = None
    ) -> None:
        """
        Args:
            source: what open_bytes() opened.
            layout: as the user described it.
            framerate: frames per second, where the user gave them.
        """
        info = SourceInfo(
            path=source.path,
            kind="raw",
            width=layout.width,
            height=layout.height,
            chroma=layout.chroma,
            bit_depth=layout.bit_depth,
            fps=framerate,
            size_bytes=source.size,
        )
        super().__init__(source, info, layout.frame_bytes)
        self._layout = layout
        if source.size is not None:
            self._check_size(source.size)

    def _check_size(self, size: int) -> None:
        frame_bytes = self._layout.frame_bytes
        if size >= frame_bytes and size % frame_bytes == 0:
            return
        fits = [str(other) for other in other_layouts(size, self._layout)[:3]]
        hint = f" Its size fits {' or '.join(fits)}." if fits else ""
        if size < frame_bytes:
            raise InputError(
                f"{self._name} holds {size:,} bytes, less than one frame of {self._layout} "
                f"({frame_bytes:,} bytes).{hint} Check --width, --height, --pixel_format and "
                "--bitdepth."
            )
        if fits:
            raise InputError(
                f"{self._name} holds {size:,} bytes, no whole number of frames of "
                f"{self._layout} ({frame_bytes:,} bytes).{hint} Check --width, --height, "
                "--pixel_format and --bitdepth."
            )
        self._cut_short(size // frame_bytes, size % frame_bytes)

    def count(self) -> int | None:
        """Number of whole frames; None for a pipe."""
        size = self.info.size_bytes
        return None if size is None else size // self._frame_bytes

    def _skip(self, position: int, start: int, step: int) -> int:
        wanted = start if position < start else position + step - (position - start) % step
        self._source.skip_to(wanted * self._frame_bytes)
        return wanted

    def _end(self, position: int, rest: int) -> None:
        if self._source.is_regular:
            return
        if position == 0:
            raise InputError(
                f"{self._name} ended after {rest:,} bytes, less than one frame of "
                f"{self._layout} ({self._frame_bytes:,} bytes). Check --width, --height, "
                "--pixel_format and --bitdepth."
            )
        if rest:
            self._cut_short(position, rest)

    def _frame(self, samples: NDArray[np.uint8], index: int, time: float | None) -> Frame:
        frame = planar_frame(samples, self._layout, index, time)
        if index == 0:
            self._check_depth(frame)
        return frame

    def _check_depth(self, frame: Frame) -> None:
        """Report samples of the first frame that exceed its bit depth."""
        largest = (1 << frame.bit_depth) - 1
        if any(plane.max() > largest for plane in frame.planes):
            self.notices.append(
                f"{self._name} holds samples above {largest:,}, the largest of "
                f"{frame.bit_depth} bits. Check --bitdepth."
            )
