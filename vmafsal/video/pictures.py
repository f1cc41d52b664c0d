"""From the packets of a stream to its pictures, in presentation order and without shifting."""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from av import VideoFrame
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.stream import VideoStream

__all__ = ["MAY_HIDE", "DamagedError", "PictureReader"]


_JOINED = frozenset({"mpegts", "mpeg", "h264", "hevc", "vvc", "m4v", "mpegvideo"})
"""Formats without an index, of which a recording may begin anywhere."""


MAY_HIDE = frozenset({"vp8", "libvpx", "mpeg4", "msmpeg4v3", "mpeg1video", "mpeg2video", "vc1"})
"""Decoders that may turn fewer pictures out than packets go in, without anything being lost:
hidden frames, fields, and the empty packets of packed bitstreams."""


class DamagedError(Exception):
    """Decoding on several threads met a picture that it cannot account for."""


class Timeline:
    """Which pictures a stream has to show, learnt from its packets as they pass."""

    def __init__(self, *, joined: bool) -> None:
        """
        Args:
            joined: the stream may begin between two key frames; players then wait for one.
        """
        self.shown = 0
        """Packets that hold a picture to show."""
        self.timed = True
        """False once a packet came without a presentation time, or the clock was set back."""
        self._due: list[int] = []
        self._waiting = joined
        self._clock = -math.inf
        self.first: int | None = None
        """Presentation time of the first packet."""

    def add(self, packet: Packet[VideoStream]) -> bool:
        """Note a packet; True if it holds a picture that players show.

        What an edit list cuts off, and what comes before the first key frame, is not shown.
        """
        if self._waiting and not packet.is_keyframe:
            return False
        self._waiting = False
        if self.first is None:
            self.first = packet.pts
        if packet.is_discard:
            return False
        if packet.dts is not None:
            self.timed = self.timed and packet.dts >= self._clock
            self._clock = packet.dts
        if packet.pts is None or self.first is None:
            self.timed = False
        elif packet.pts < self.first:
            # Leading pictures of an open group refer to what is not there.
            return False
        else:
            heapq.heappush(self._due, packet.pts)
        self.shown += 1
        return True

    def missing_before(self, pts: int | None) -> int:
        """How many pictures due before `pts` did not come; `pts` itself is ticked off."""
        if pts is None or not self.timed:
            return 0
        missing = 0
        while self._due and self._due[0] < pts:
            heapq.heappop(self._due)
            missing += 1
        if self._due and self._due[0] == pts:
            heapq.heappop(self._due)
        return missing

    def outstanding(self, before: int | None) -> int:
        """How many pictures are still due, at the end, earlier than `before`."""
        if not self.timed:
            return 0
        return sum(1 for pts in self._due if before is None or pts < before)


class PictureReader:
    """One pass over a video stream.

    Iterating gives each picture in presentation order, and None where one could not be decoded.

    Decoding on several threads reports an error late and drops pictures that are still in
    flight, so that the fast pass gives up with DamagedError at the first sign of one; a careful
    pass, on one thread, then says exactly which picture was lost.
    """

    def __init__(
        self, container: InputContainer, stream: VideoStream, *, careful: bool, cut: bool
    ) -> None:
        """
        Args:
            careful: decode on one thread and account for every picture.
            cut: the file is known to end early, so that pictures are missing behind its end.
        """
        self._container = container
        self._stream = stream
        self._careful = careful
        self._cut = cut
        self._timeline = Timeline(joined=container.format.name in _JOINED)
        self._hides = stream.codec_context.name in MAY_HIDE
        self._irregular = False
        self._lost = False
        self._given = 0
        self._limit: int | None = None
        self._torn = 0
        self._patched = 0
        self.end = 0
        """Byte after the last packet that was read."""
        self.largest = 0
        """Bytes of the largest packet that was read."""
        self.error: str | None = None
        """ffmpeg's words where the container could not be read further."""

    @property
    def damaged(self) -> int:
        """Pictures so far that are damaged, by their packets or by the decoder's word.

        The larger number, since neither marks them all, and they do not mark the same ones.
        """
        return max(self._torn, self._patched)

    def count(self) -> int:
        """Number of pictures shown, by the packets alone; 0 where no key frame was found."""
        for packet in self._packets():
            self._timeline.add(packet)
        if self._limit is not None and self._timeline.timed:
            return self._timeline.outstanding(self._limit)
        return self._timeline.shown

    def __iter__(self) -> Iterator[VideoFrame | None]:
        import av

        # Threads only wait where a GPU decodes.
        alone = self._careful or self._stream.codec_context.is_hwaccel
        self._stream.thread_type = "SLICE" if alone else "AUTO"
        if alone:
            self._stream.codec_context.thread_count = 1
        for packet in self._packets():
            shown = self._timeline.add(packet)
            self._torn += packet.is_corrupt
            if packet.pos is not None:
                self.end = max(self.end, packet.pos + packet.size)
                self.largest = max(self.largest, packet.size)
            try:
                pictures = self._stream.decode(packet)
            except av.error.FFmpegError as error:
                if not self._careful:
                    raise DamagedError from error
                self._lost = self._lost or shown
                if shown and (self._irregular or not self._timeline.timed):
                    yield None
                continue
            yield from self._in_place(pictures)
        yield from self._drain()

    def _packets(self) -> Iterator[Packet[VideoStream]]:
        """Every whole packet. One is held back, since only the end tells that it was cut off."""
        import av

        packets = self._container.demux(self._stream)
        held: Packet[VideoStream] | None = None
        while True:
            try:
                packet = next(packets, None)
            except av.error.InvalidDataError as error:
                self.error = error.strerror
                break
            if packet is None:
                break
            # An empty packet would tell the decoder that the stream is over.
            if packet.size:
                if held is not None:
                    yield held
                held = packet
        if held is None:
            return
        if held.is_corrupt and not self.error:
            self.error = "the last picture is incomplete"
        if self._cut or self.error:
            self._limit = _first_unknown(held, self._timeline.first)
        if not held.is_corrupt:
            yield held

    def _drain(self) -> Iterator[VideoFrame | None]:
        import av

        try:
            pictures = self._stream.decode(None)
        except av.error.FFmpegError as error:
            if not self._careful:
                raise DamagedError from error
            pictures = []
        limit = self._limit
        yield from self._in_place(
            [p for p in pictures if limit is None or p.pts is None or p.pts < limit]
        )
        missing = self._timeline.outstanding(limit)
        if not self._timeline.timed and not self._careful:
            missing = self._timeline.shown - self._given
        if missing and not self._irregular:
            if not self._careful:
                raise DamagedError
            if self._timeline.timed and (self._lost or not self._hides):
                yield from [None] * missing

    def _in_place(self, pictures: list[VideoFrame]) -> Iterator[VideoFrame | None]:
        """The pictures, with None for each one that should have come before."""
        for picture in pictures:
            missing = self._timeline.missing_before(picture.pts)
            if missing and not self._irregular:
                if not self._careful:
                    raise DamagedError
                if self._lost or not (picture.interlaced_frame or self._hides):
                    yield from [None] * missing
                else:
                    # Fields in packets of their own, or frames that are never shown: from here
                    # on only errors count.
                    self._irregular = True
            self._given += 1
            self._patched += picture.is_corrupt
            yield picture


def _first_unknown(last: Packet[VideoStream], first: int | None) -> int | None:
    """Presentation time from which pictures of a cut stream cannot be numbered.

    Packets come in decoding order, and no picture is shown before it is decoded: whatever was
    cut off has a presentation time of at least the next decoding time.

    Args:
        last: the last packet, whole or (marked corrupt) partial.
        first: presentation time of the first packet.
    """
    if last.dts is None:
        # Decoding times begin once the reordering is known; till then only the first is sure.
        return None if first is None else first + 1
    following = last.dts + max(last.duration or 0, 1)
    if last.is_corrupt and last.pts is not None:
        return min(following, last.pts)
    return following
