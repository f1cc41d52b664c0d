"""The packets of a container: what is shown when, and how to seek to it."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vmafsal.errors import InputError

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.stream import VideoStream

__all__ = ["MAY_HIDE", "Demuxer", "InexactError", "PacketIndex", "index_packets", "packets_from"]


MAY_HIDE = frozenset({"vp8", "libvpx", "mpeg4", "msmpeg4v3", "mpeg1video", "mpeg2video", "vc1"})
"""Decoders that may turn fewer pictures out than packets go in, without anything being lost:
hidden frames, fields, and the empty packets of packed bitstreams."""


class Demuxer:
    """The packets of one stream, also of a container to which streams are added on the way."""

    def __init__(
        self,
        container: InputContainer,
        stream: VideoStream,
        first: Packet[VideoStream] | None = None,
    ) -> None:
        """
        Args:
            container: read from its current position.
            first: a packet that was read already, to begin with.
        """
        self._container = container
        self._stream = stream
        self._first = first
        self.added_after: int | None = None
        """Number of packets after which the first stream was added."""

    def __iter__(self) -> Iterator[Packet[VideoStream]]:
        count = 0
        if self._first is not None:
            count += 1
            yield self._first
        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets)
            except StopIteration:
                return
            except IndexError:
                # PyAV's, at a packet of a stream that it does not know. That packet is of no use.
                if self.added_after is None:
                    self.added_after = count
                packets = self._container.demux(self._stream)
                continue
            # An empty packet would tell a decoder that the stream is over.
            if packet.size:
                count += 1
                yield packet


class InexactError(InputError):
    """It is not certain that a video decodes to the same pictures part by part."""


@dataclass(frozen=True, slots=True)
class PacketIndex:
    """Times of all pictures of a stream, in units of its time base."""

    times: list[int]
    """Presentation time of each picture, ascending."""
    keys: dict[int, int]
    """Presentation time of each key frame: its decoding time."""

    def key_before(self, position: int) -> int:
        """Presentation time of the last key frame up to the picture at a position."""
        keys = sorted(self.keys)
        return keys[max(0, bisect_right(keys, self.times[position]) - 1)]

    def position(self, time: float) -> int:
        """Number of pictures that are shown before a presentation time."""
        return bisect_left(self.times, time)


def index_packets(container: InputContainer, stream: VideoStream, name: str) -> PacketIndex:
    """Read the times of all packets, without decoding one.

    Args:
        container: at its beginning.
        name: what the user calls the video.
    Raises:
        InexactError: where packets do not tell which pictures a decoder will show.
    """
    context = stream.codec_context
    if context.name in MAY_HIDE or int(context.field_order) > 1:
        raise InexactError(f"packets of {context.name} in {name} need not be pictures")
    times: list[int] = []
    keys: dict[int, int] = {}
    clock = -math.inf
    for packet in Demuxer(container, stream):
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
    return PacketIndex(sorted(times), keys)


def packets_from(
    container: InputContainer, stream: VideoStream, time: int, decoding_time: int, name: str
) -> Demuxer:
    """Packets from a key frame, or one before it, on.

    Args:
        time, decoding_time: of the key frame.
        name: what the user calls the video.
    Raises:
        InexactError: if the container has no index that leads there.
    """
    # Some formats are indexed by presentation, some by decoding; too early only costs time.
    for target in (time, decoding_time, 2 * decoding_time - time - 1):
        container.seek(target, stream=stream)
        first = next(iter(Demuxer(container, stream)), None)
        if first is not None and first.pts is not None and first.pts <= time:
            return Demuxer(container, stream, first)
    raise InexactError(f"{name} has no index that leads to its key frames")
