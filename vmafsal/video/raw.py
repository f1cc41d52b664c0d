"""Raw planar YUV: nothing in the file but samples."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from weakref import finalize

import numpy as np
from numpy.typing import NDArray

from vmafsal.errors import InputError, UsageError
from vmafsal.video.base import Source, SourceInfo, label
from vmafsal.video.files import ByteInput
from vmafsal.video.frame import Chroma, Frame, chroma_size

__all__ = ["RawLayout", "RawSource", "check_raw_options", "check_size"]

Samples = NDArray[np.uint8]

_BUFFERS_KEPT = 8
"""More than a pipeline has frames under way."""

RAW_CHROMAS: tuple[Chroma, ...] = ("420", "422", "444", "400")
RAW_DEPTHS = (8, 10, 12, 16)
MAX_SIDE = 32768
"""Pixels: wider than any video format; beyond it a typing error is likelier."""

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


@dataclass(frozen=True, slots=True)
class RawLayout:
    """Shape of one frame in a raw file: planes one after the other, without padding."""

    width: int
    height: int
    chroma: Chroma
    bit_depth: int

    @property
    def shapes(self) -> list[tuple[int, int]]:
        """(height, width) of each plane, in samples; odd chroma is rounded up."""
        luma = (self.height, self.width)
        if self.chroma == "400":
            return [luma]
        return [luma] + [chroma_size(self.height, self.width, self.chroma)] * 2

    @property
    def frame_bytes(self) -> int:
        """Bytes of one frame; samples above 8 bits take two, low byte first."""
        samples = sum(height * width for height, width in self.shapes)
        return samples * (2 if self.bit_depth > 8 else 1)

    def __str__(self) -> str:
        return f"{self.width}x{self.height} {self.chroma} {self.bit_depth}-bit"


def check_size(option: str, value: int) -> None:
    """Refuse a width or height that is not positive or absurd.

    Raises:
        UsageError: naming the option.
    """
    if not 1 <= value <= MAX_SIDE:
        raise UsageError(f"{option} must be between 1 and {MAX_SIDE}, not {value}.")


def check_raw_options(
    path: str, width: int | None, height: int | None, chroma: str, bit_depth: int
) -> RawLayout:
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
    return RawLayout(width, height, chosen, bit_depth)


def other_layouts(size: int, layout: RawLayout) -> list[RawLayout]:
    """Layouts of which `size` bytes are a whole number of frames: the same picture size with
    another format, then usual sizes with the same format."""
    sides = (layout.width, layout.height)
    same_size = [RawLayout(*sides, chroma, depth) for chroma in RAW_CHROMAS for depth in RAW_DEPTHS]
    same_format = [RawLayout(*usual, layout.chroma, layout.bit_depth) for usual in _USUAL_SIZES]
    return [
        other
        for other in [*same_size, *same_format]
        if other != layout and size >= other.frame_bytes and size % other.frame_bytes == 0
    ]


class RawSource(Source):
    """Raw planar YUV from a file, a named pipe or standard input."""

    def __init__(self, source: ByteInput, layout: RawLayout) -> None:
        super().__init__(
            SourceInfo(
                path=source.path,
                kind="raw",
                width=layout.width,
                height=layout.height,
                chroma=layout.chroma,
                bit_depth=layout.bit_depth,
                size_bytes=source.size,
            )
        )
        self._source = source
        self._layout = layout
        self._free: deque[bytearray] = deque(maxlen=_BUFFERS_KEPT)
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
                f"{self.info.path} holds {size:,} bytes, less than one frame of {self._layout} "
                f"({frame_bytes:,} bytes).{hint} Check --width, --height, --pixel_format and "
                "--bitdepth."
            )
        if fits:
            raise InputError(
                f"{self.info.path} holds {size:,} bytes, no whole number of frames of "
                f"{self._layout} ({frame_bytes:,} bytes).{hint} Check --width, --height, "
                "--pixel_format and --bitdepth."
            )
        self._cut_short(size // frame_bytes, size % frame_bytes)

    def _cut_short(self, frames: int, rest: int) -> None:
        self.truncated = True
        self.notices.append(
            f"{label(self.info.path)} holds {frames:,} frames and {rest:,} bytes more; "
            "those bytes were left out."
        )

    def count(self) -> int | None:
        """Number of whole frames; None for a pipe."""
        size = self.info.size_bytes
        return None if size is None else size // self._layout.frame_bytes

    def _read(self, start: int, stop: int | None, step: int) -> Iterator[Frame]:
        position = 0
        while stop is None or position < stop:
            wanted = position >= start and (position - start) % step == 0
            if not wanted and self._source.is_regular:
                position = self._skip(position, start, step)
                continue
            samples = self._buffer()
            got = self._source.fill(samples.data)
            if got < samples.size:
                self._end(position, got)
                break
            if wanted:
                frame = self._frame(samples, position - start)
                if position == start:
                    self._check_depth(frame)
                yield frame
            position += 1
        self._check_unchanged()

    def _skip(self, position: int, start: int, step: int) -> int:
        """Seek to the next frame that is wanted; its position."""
        wanted = start if position < start else position + step - (position - start) % step
        self._source.skip_to(wanted * self._layout.frame_bytes)
        return wanted

    def _end(self, position: int, rest: int) -> None:
        """The input ended with `rest` bytes of an unfinished frame."""
        if self._source.is_regular:
            return
        if position == 0:
            raise InputError(
                f"{label(self.info.path)} ended after {rest:,} bytes, less than one frame of "
                f"{self._layout} ({self._layout.frame_bytes:,} bytes). Check --width, --height, "
                "--pixel_format and --bitdepth."
            )
        if rest:
            self._cut_short(position, rest)

    def _check_depth(self, frame: Frame) -> None:
        """Say so if the first frame has samples that its depth cannot have."""
        largest = (1 << frame.bit_depth) - 1
        if any(plane.max() > largest for plane in frame.planes):
            self.notices.append(
                f"{label(self.info.path)} holds samples above {largest:,}, the largest of "
                f"{frame.bit_depth} bits. Check --bitdepth."
            )

    def _check_unchanged(self) -> None:
        before, now = self.info.size_bytes, self._source.size_now()
        if before != now:
            raise InputError(
                f"{self.info.path} changed its size from {before:,} to {now:,} bytes while it "
                "was read. Wait until nothing writes to it, and run again."
            )

    def _buffer(self) -> Samples:
        """Bytes for a frame that nobody else holds: those of a frame that is gone, else new ones.

        New ones would cost a frame of 1080p more time than reading does, since the system clears
        the pages that it hands out.
        """
        memory = self._free.pop() if self._free else bytearray(self._layout.frame_bytes)
        samples = np.frombuffer(memory, np.uint8)
        # The planes of a frame are views of `samples`, which is gone when the last of them is.
        finalize(samples, self._free.append, memory)
        return samples

    def _frame(self, samples: Samples, index: int) -> Frame:
        values = samples if self._layout.bit_depth == 8 else samples.view("<u2")
        planes = []
        offset = 0
        for height, width in self._layout.shapes:
            planes.append(values[offset : offset + height * width].reshape(height, width))
            offset += height * width
        return Frame(tuple(planes), self._layout.chroma, self._layout.bit_depth, index)

    def close(self) -> None:
        """Close the file; a generator still open on it ends with ValueError."""
        self._source.close()
