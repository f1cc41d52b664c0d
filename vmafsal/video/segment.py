"""A part of a container, from one key frame to another, that decodes to what the whole does."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, TypeVar
from zlib import crc32

import numpy as np

from vmafsal.errors import InputError
from vmafsal.video.container import ContainerSource, reading
from vmafsal.video.files import ByteInput, open_bytes
from vmafsal.video.pictures import MAY_HIDE

if TYPE_CHECKING:
    from av import VideoFrame
    from av.packet import Packet
    from av.video.stream import VideoStream

__all__ = ["InexactError", "Segment", "SegmentSource", "find_segments", "open_segment"]

S = TypeVar("S", bound=ContainerSource)

_OVERLAP = 2
"""Pictures that are decoded by both of two neighbours, and have to come out the same: a key frame
that is none shows in the first, what refers beyond it in the next."""


class InexactError(InputError):
    """A video cannot be decoded part by part with the certainty that nothing changes."""


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


def find_segments(path: str, stream: int | None, seconds: float) -> list[Segment]:
    """Divide a container at key frames, by its packets alone.

    Args:
        path: a regular file.
        stream: as open_source takes it.
        seconds: a segment ends at the first key frame that is so far from its beginning.
    Returns:
        segments that hold every picture once, in order.
    Raises:
        InexactError: where packets do not tell which pictures a decoder will show.
        InputError: if the file cannot be read.
    """
    with _open(path, lambda source: _Divisible(source, stream)) as video:
        times, keys, base = video.times()
    order = sorted(times)
    bounds = [0]
    for time in sorted(keys):
        if (time - order[bounds[-1]]) * base >= seconds:
            bounds.append(bisect_left(order, time))
    ends = [*bounds[1:], len(order)]
    return [
        Segment(
            first=first,
            times=tuple(order[first:end]),
            overlap=tuple(order[end : end + _OVERLAP]),
            decoding_time=keys[order[first]],
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


class _Divisible(ContainerSource):
    """A container that is looked at for places to divide it."""

    def times(self) -> tuple[list[int], dict[int, int], float]:
        """Presentation times of all packets, decoding times of key frames by them, time base."""
        name = self._name
        context = self._stream.codec_context
        if self.truncated:
            raise InexactError(f"{name} is cut short")
        if context.name in MAY_HIDE or int(context.field_order) > 1:
            raise InexactError(f"packets of {context.name} in {name} need not be pictures")
        times: list[int] = []
        keys: dict[int, int] = {}
        clock = -math.inf
        with reading(name):
            for packet in self._container.demux(self._stream):
                if not packet.size:
                    continue
                pts, dts = packet.pts, packet.dts
                if pts is None or packet.is_discard or packet.is_corrupt:
                    raise InexactError(f"{name} holds pictures without a time, cut, or damaged")
                if dts is not None:
                    if dts < clock:
                        raise InexactError(f"the clock of {name} is set back")
                    clock = dts
                if not times and not packet.is_keyframe:
                    raise InexactError(f"{name} does not begin with a key frame")
                if times and pts < times[0]:
                    raise InexactError(f"{name} begins with pictures that refer to lost ones")
                times.append(pts)
                if packet.is_keyframe:
                    # Matroska leaves decoding times out until the reordering is known.
                    keys[pts] = pts if dts is None else dts
        if not times or len(set(times)) != len(times):
            raise InexactError(f"{name} holds several pictures of one time")
        return times, keys, float(self._stream.time_base or 0)


class SegmentSource(ContainerSource):
    """One segment of a container; frames are numbered from its first picture."""

    def __init__(self, source: ByteInput, stream: int | None, segment: Segment) -> None:
        super().__init__(source, stream)
        self._segment = segment
        self.head: list[int] = []
        """Checksums of its first pictures."""
        self.tail: list[int] = []
        """Checksums of the pictures after its last one."""

    def count(self) -> int:
        """Number of pictures in the segment."""
        return len(self._segment.times)

    def _pictures(self) -> Iterator[VideoFrame | None]:
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
                    yield picture
        if self._seen != due or len(self.tail) != len(times) - due:
            raise InexactError(f"{self._name} decodes to fewer pictures when it is divided")

    def _from_key_frame(self, time: int) -> Generator[VideoFrame]:
        """Pictures from a presentation time on."""
        self._stream.thread_type = "AUTO"
        for packet in chain(self._seek(time), [None]):
            for picture in self._stream.decode(packet):
                # Leading pictures of the key frame belong to the segment before.
                if picture.pts is None or picture.pts >= time:
                    yield picture

    def _seek(self, time: int) -> Iterator[Packet[VideoStream]]:
        """Packets from the key frame of that time, or one before it, on."""
        # Some formats are indexed by presentation, some by decoding; too early only costs time.
        decoding = self._segment.decoding_time
        for target in (time, decoding, 2 * decoding - time - 1):
            self._container.seek(target, stream=self._stream)
            packets = self._container.demux(self._stream)
            first = next(packets)
            if first.pts is not None and first.pts <= time:
                yield from (packet for packet in chain([first], packets) if packet.size)
                return
        raise InexactError(f"{self._name} has no index that leads to its key frames")

    def _checksum(self, picture: VideoFrame) -> int:
        value = 0
        for plane in self._frame(picture, 0).planes:
            value = crc32(np.ascontiguousarray(plane).data, value)
        return value
