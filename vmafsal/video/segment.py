"""A part of a container between two key frames, whose pictures equal those of the whole."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, TypeVar
from zlib import crc32

import numpy as np

from vmafsal.video.clock import Clock
from vmafsal.video.container import ContainerSource
from vmafsal.video.files import ByteInput, open_bytes
from vmafsal.video.packets import InexactError, packets_from
from vmafsal.video.pictures import Shown

if TYPE_CHECKING:
    from av import VideoFrame

__all__ = ["InexactError", "Segment", "SegmentSource", "find_segments", "open_segment"]

S = TypeVar("S", bound=ContainerSource)

_OVERLAP = 2
"""Pictures that two neighbouring segments both decode, and that must be equal. The first differs if
the key frame is none; the next differ if they refer to pictures before it."""


@dataclass(frozen=True, slots=True)
class Segment:
    """Pictures from one key frame up to, and without, another."""

    first: int
    """Position in the video of its first picture, from 0."""
    times: tuple[int, ...]
    """Presentation time of each of its pictures, ascending, in the stream's time base."""
    overlap: tuple[int, ...]
    """Presentation times of the pictures after its last one that are decoded to compare."""
    decoding_time: int
    """Of its key frame."""
    origin: int
    """Presentation time of the first picture of the video."""
    deviation: float
    """Seconds by which position / frame rate is wrong, at the most, in the whole video."""


def find_segments(path: str, stream: int | None, seconds: float) -> list[Segment]:
    """Divide a container at key frames, by its packets alone.

    Args:
        path: a regular file.
        stream: as open_source takes it.
        seconds: a segment ends at the first key frame that is so far from its beginning.
    Returns:
        segments that hold every picture once, in order.
    Raises:
        InexactError: where packets do not determine which pictures a decoder shows.
        InputError: if the file cannot be read.
    """
    with _open(path, lambda source: ContainerSource(source, stream)) as video:
        index, base, deviation = video.times()
    bounds = [0]
    for time in sorted(index.keys):
        if (time - index.times[bounds[-1]]) * base >= seconds:
            bounds.append(index.position(time))
    ends = [*bounds[1:], len(index.times)]
    return [
        Segment(
            first=first,
            times=tuple(index.times[first:end]),
            overlap=tuple(index.times[end : end + _OVERLAP]),
            decoding_time=index.keys[index.times[first]],
            origin=index.times[0],
            deviation=deviation,
        )
        for first, end in zip(bounds, ends, strict=True)
    ]


def open_segment(path: str, stream: int | None, segment: Segment) -> SegmentSource:
    """Open a segment that find_segments found.

    Raises:
        InputError: if the file cannot be read.
    """
    return _open(path, lambda source: SegmentSource(source, stream, segment))


def _open(path: str, kind: Callable[[ByteInput], S]) -> S:
    source = open_bytes(path)
    try:
        return kind(source)
    except BaseException:
        source.close()
        raise


class SegmentSource(ContainerSource):
    """One segment of a container; frames are numbered from its first picture."""

    def __init__(self, source: ByteInput, stream: int | None, segment: Segment) -> None:
        super().__init__(source, stream)
        self._segment = segment
        self._clock = Clock(self.info.fps, float(self._stream.time_base or 0), segment.first)
        self._clock.origin = segment.origin
        self.head: list[int] = []
        """Checksums of its first pictures."""
        self.tail: list[int] = []
        """Checksums of the pictures after its last one."""

    def count(self) -> int:
        """Number of pictures in the segment."""
        return len(self._segment.times)

    def _pictures(self) -> Iterator[Shown]:
        times = (*self._segment.times, *self._segment.overlap)
        due = len(self._segment.times)
        with closing(self._from_key_frame(times[0])) as pictures:
            for position, (time, picture) in enumerate(zip(times, pictures, strict=False)):
                if picture.pts != time or picture.is_corrupt:
                    raise InexactError(f"{self._name} decodes otherwise when it is divided")
                if position < _OVERLAP:
                    self.head.append(self._checksum(picture))
                if position >= due:
                    self.tail.append(self._checksum(picture))
                else:
                    yield Shown(picture, time)
        if self._seen != due or len(self.tail) != len(times) - due:
            raise InexactError(f"{self._name} decodes to fewer pictures when it is divided")
        # The first part reports it for all.
        self._clock.deviation = 0.0 if self._segment.first else self._segment.deviation

    def _from_key_frame(self, time: int) -> Generator[VideoFrame]:
        """Pictures from a presentation time on."""
        self._stream.thread_type = "AUTO"
        decoding_time = self._segment.decoding_time
        packets = packets_from(self._container, self._stream, time, decoding_time, self._name)
        for packet in chain(packets, [None]):
            for picture in self._stream.decode(packet):
                # Leading pictures of the key frame belong to the segment before.
                if picture.pts is None or picture.pts >= time:
                    yield picture

    def _checksum(self, picture: VideoFrame) -> int:
        value = 0
        for plane in self._frame(picture, 0, None).planes:
            value = crc32(np.ascontiguousarray(plane).data, value)
        return value
