"""Frames of one size as plain samples, one behind the other: raw video and Y4M."""

from __future__ import annotations

from abc import abstractmethod
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from weakref import finalize

import numpy as np
from numpy.typing import NDArray

from vmafsal.errors import InputError
from vmafsal.video.base import Source, SourceInfo, label
from vmafsal.video.clock import position_at_rate
from vmafsal.video.files import ByteInput
from vmafsal.video.frame import Chroma, Frame, chroma_size

__all__ = ["PlanarLayout", "PlanarSource", "planar_frame"]

Samples = NDArray[np.uint8]

_BUFFERS_KEPT = 8
"""More frames than a pipeline holds at the same time."""


@dataclass(frozen=True, slots=True)
class PlanarLayout:
    """Shape of one frame: planes one after the other, without padding."""

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


def planar_frame(samples: Samples, layout: PlanarLayout, index: int, time: float | None) -> Frame:
    """A frame whose planes are views of `samples`.

    Args:
        samples: uint8 [frame_bytes], as in the file.
        index, time: of the frame.
    """
    values = samples if layout.bit_depth == 8 else samples.view("<u2")
    planes = []
    offset = 0
    for height, width in layout.shapes:
        planes.append(values[offset : offset + height * width].reshape(height, width))
        offset += height * width
    return Frame(tuple(planes), layout.chroma, layout.bit_depth, index, time=time)


class PlanarSource(Source):
    """Frames of planar samples from a file, a named pipe or standard input."""

    def __init__(self, source: ByteInput, info: SourceInfo, frame_bytes: int) -> None:
        super().__init__(info)
        self._source = source
        self._name = label(source.path)
        self._frame_bytes = frame_bytes
        self._free: deque[bytearray] = deque(maxlen=_BUFFERS_KEPT)

    def position_at(self, seconds: float) -> int:
        """As of Source, by the frame rate alone."""
        if self.info.fps is None:
            raise InputError(
                f"{self._name} does not tell its frame rate: give --framerate, "
                "or choose by number, with --frame_skip_dist and --frame_cnt."
            )
        position = position_at_rate(seconds, self.info.fps)
        count = self.count()
        return position if count is None else min(position, count)

    def _read(self, start: int, stop: int | None, step: int) -> Iterator[Frame]:
        position = 0
        fps = self.info.fps
        while stop is None or position < stop:
            wanted = position >= start and (position - start) % step == 0
            if not wanted and self._source.is_regular:
                skipped = self._skip(position, start, step)
                if skipped == position:
                    break
                position = skipped
                continue
            if not self._begin_frame(position):
                break
            samples = self._buffer()
            got = self._source.fill(samples.data)
            if got < samples.size:
                self._end(position, got)
                break
            if wanted:
                yield self._frame(samples, position - start, position / fps if fps else None)
            position += 1
        self._check_unchanged()

    @abstractmethod
    def _skip(self, position: int, start: int, step: int) -> int:
        """Skip frames; the new position, unchanged at the end."""

    def _begin_frame(self, position: int) -> bool:
        """Read the bytes before a frame's samples; False at the end."""
        del position
        return True

    @abstractmethod
    def _end(self, position: int, rest: int) -> None:
        """The input ended with `rest` bytes of an unfinished frame."""

    @abstractmethod
    def _frame(self, samples: Samples, index: int, time: float | None) -> Frame:
        """A frame whose planes are views of `samples`."""

    def _cut_short(self, frames: int, rest: int) -> None:
        if self.truncated:
            return
        self.truncated = True
        self.notices.append(
            f"{self._name} holds {frames:,} frame{'s' if frames != 1 else ''} and {rest:,} bytes "
            "more; those bytes were left out."
        )

    def _check_unchanged(self) -> None:
        before, now = self.info.size_bytes, self._source.size_now()
        if before != now:
            raise InputError(
                f"{self._name} changed its size from {before:,} to {now:,} bytes while it was "
                "read. Wait until nothing writes to it, and run again."
            )

    def _buffer(self) -> Samples:
        """Memory for a frame: that of a frame which is no longer used, else new memory.

        Allocating costs a frame of 1080p more time than reading does, since the system clears new
        pages.
        """
        memory = self._free.pop() if self._free else bytearray(self._frame_bytes)
        samples = np.frombuffer(memory, np.uint8)
        # The planes of a frame are views of `samples`, which is gone when the last of them is.
        finalize(samples, self._free.append, memory)
        return samples

    def close(self) -> None:
        """Close the file; a generator still open on it ends with ValueError."""
        self._source.close()
