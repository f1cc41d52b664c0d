"""From the packets of a stream to its pictures: in presentation order, no number shifted."""

from __future__ import annotations

import heapq
import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vmafsal.video.packets import MAY_HIDE, Demuxer

if TYPE_CHECKING:
    from av import VideoFrame
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.stream import VideoStream

__all__ = ["DamagedError", "PictureReader", "Shown"]


_JOINED = frozenset({"mpegts", "mpeg", "h264", "hevc", "vvc", "m4v", "mpegvideo"})
"""Formats without an index, of which a recording may begin anywhere."""

_REORDERED = 16
"""Pictures that a decoder may hold back to reorder them (H.264 and HEVC: the largest buffer)."""


class DamagedError(Exception):
    """Decoding on several threads failed to identify a lost picture."""


@dataclass(frozen=True, slots=True)
class Shown:
    """One position in the sequence of pictures."""

    picture: VideoFrame | None
    """None where the picture could not be decoded."""

    pts: int | None
    """Presentation time in the stream's time base; None where the file does not tell it."""


class Timeline:
    """Which pictures a stream has to show, by the time stamps of its packets.

    Stamps are presentation times until something shows that they are not: AVI, ASF, and files
    copied from bare streams may hold decoding times in their place.
    """

    def __init__(self, *, joined: bool) -> None:
        """
        Args:
            joined: the stream may begin between two key frames; players then wait for one.
        """
        self.shown = 0
        """Packets that hold a picture to show."""
        self.timed = True
        """False once the stamps are known not to be presentation times."""
        self.begins_late = False
        """True if the first packet is no key frame."""
        self.may_split = False
        """True once a packet without stamps came among others: perhaps the rest of a picture
        whose first part has the stamps."""
        self.first: int | None = None
        """Presentation time of the first packet."""
        self.joined = joined
        self._due: list[int] = []
        self._waiting = joined
        self._key_frames = 0
        self._clock = -math.inf

    def add(self, packet: Packet[VideoStream]) -> bool:
        """Note a packet; True if it holds a picture that players show.

        What an edit list cuts off, and what comes before the first key frame, is not shown.
        """
        self._key_frames += packet.is_keyframe
        if self._waiting and not packet.is_keyframe:
            self.begins_late = True
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
            mixed = self.first is not None and packet.pts is None and packet.dts is None
            self.may_split = self.may_split or (mixed and not self.joined)
        elif self.timed and packet.pts < self.first and self._key_frames < 2:
            # Leading pictures of an open group refer to what is not there.
            return False
        else:
            heapq.heappush(self._due, packet.pts)
        self.shown += 1
        return True

    def missing_before(self, pts: int) -> list[int]:
        """Presentation times of the pictures due before `pts`, ascending."""
        return sorted(due for due in self._due if due < pts) if self._overdue(pts) else []

    def tick_off(self, pts: int) -> None:
        """No picture of this or an earlier time is due any more."""
        while self._overdue(pts):
            heapq.heappop(self._due)
        if self._due and self._due[0] == pts:
            heapq.heappop(self._due)

    def outstanding(self, before: int | None = None) -> list[int]:
        """Presentation times of the pictures still due, earlier than `before`, ascending."""
        return sorted(pts for pts in self._due if before is None or pts < before)

    def _overdue(self, pts: int) -> bool:
        return bool(self._due) and self._due[0] < pts


class PictureReader:
    """One pass over a video stream.

    Iterating gives each picture in presentation order, and a place without one where it could
    not be decoded. That is what the decoder reports as an error, or a packet whose picture does
    not come out though its time has passed. The latter counts only where the stamps are
    presentation times. A picture that is missed is therefore waited for, for as long as a decoder
    may reorder pictures. If it comes out late, the stamps are in decoding order, and nothing was
    lost.

    Decoding on several threads reports an error late and drops pictures that are still in
    flight, so that the fast pass gives up with DamagedError at the first sign of one; a careful
    pass, on one thread, then says exactly which picture was lost.
    """

    def __init__(
        self,
        container: InputContainer,
        stream: VideoStream,
        *,
        careful: bool,
        cut: bool,
        packets: Demuxer | None = None,
    ) -> None:
        """
        Args:
            careful: decode on one thread and account for every picture.
            cut: the file is known to end early, so that pictures are missing behind its end.
            packets: of the stream, from a key frame on; all of them if None.
        """
        self._demuxer = Demuxer(container, stream) if packets is None else packets
        self._stream = stream
        self._careful = careful
        self._cut = cut
        self._timeline = Timeline(joined=container.format.name in _JOINED)
        self._hides = stream.codec_context.name in MAY_HIDE
        self._following: Packet[VideoStream] | None = None
        self._held: deque[VideoFrame] = deque()
        self._latest = -math.inf
        self._irregular = False
        self._lost = False
        self._given = 0
        self._limit: int | None = None
        self._torn = 0
        self._patched = 0
        self.skipped = 0
        """Packets without a picture before the first picture. With intra refresh a decoder gives
        none until a whole picture has been refreshed."""
        self.end = 0
        """Byte after the last packet that was read."""
        self.largest = 0
        """Bytes of the largest packet that was read."""
        self.error: str | None = None
        """ffmpeg's words where the container could not be read further."""

    @property
    def another_stream(self) -> int | None:
        """How many packets came before a stream began that was not there at first."""
        return self._demuxer.added_after

    @property
    def damaged(self) -> int:
        """Pictures so far that are damaged, according to their packets or to the decoder.

        The larger number, since neither marks them all, and they do not mark the same ones.
        """
        return max(self._torn, self._patched)

    def count(self) -> int | None:
        """Number of pictures shown, by the packets alone, less what a decoder skips at first.

        Returns:
            None where that is not known: no key frame was found, a stream without time stamps
            begins between two of them, or pictures may be split into several packets.
        """
        for packet in self._packets():
            self._timeline.add(packet)
        timeline = self._timeline
        if timeline.may_split or (timeline.begins_late and not timeline.timed):
            return None
        if not timeline.timed:
            return timeline.shown or None
        if self._limit is not None:
            return len(timeline.outstanding(self._limit)) or None
        return timeline.shown or None

    def __iter__(self) -> Iterator[Shown]:
        import av

        # With a GPU, threads of the CPU gain nothing.
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
                if shown and self._next_continues(packet):
                    self._timeline.shown -= 1
                    continue
                self._lost = self._lost or shown
                if shown and (self._irregular or not self._timeline.timed):
                    yield Shown(None, None)
                continue
            for picture in pictures:
                self._held.append(picture)
                yield from self._release()
        yield from self._drain()

    def _next_continues(self, packet: Packet[VideoStream]) -> bool:
        """True if the picture of a packet that gave none is in the next one, without stamps.

        ffmpeg's ASF demuxer may put data before a picture (SEI of H.264) into a packet of its own.
        """
        following = self._following
        return (
            following is not None
            and following.pts is None
            and following.dts is None
            and packet.pts is not None
            and self._stream.codec_context.name == "h264"
            and not self._timeline.joined
        )

    def _packets(self) -> Iterator[Packet[VideoStream]]:
        """Every whole packet. One is held back, since only the end tells that it was cut off."""
        import av

        packets = iter(self._demuxer)
        held: Packet[VideoStream] | None = None
        while True:
            try:
                packet = next(packets, None)
            except av.error.InvalidDataError as error:
                self.error = error.strerror
                break
            if packet is None:
                break
            self._following = packet
            if held is not None:
                yield held
            held = packet
        self._following = None
        if held is None:
            return
        if held.is_corrupt and not self.error:
            self.error = "the last picture is incomplete"
        if self._cut or self.error:
            self._limit = _first_unknown(held, self._timeline.first)
        if not held.is_corrupt:
            yield held

    def _drain(self) -> Iterator[Shown]:
        """The pictures that the decoder still holds at the end, and those that never came."""
        import av

        try:
            pictures = self._stream.decode(None)
        except av.error.FFmpegError as error:
            if not self._careful:
                raise DamagedError from error
            pictures = []
        limit = self._limit
        for picture in pictures:
            self._held.append(picture)
            yield from self._release()
        yield from self._release(end=True)
        timeline = self._timeline
        if not timeline.timed:
            if self._given < timeline.shown and not (self._careful or timeline.begins_late):
                raise DamagedError
            return
        missing = timeline.outstanding(limit)
        if missing and not self._irregular:
            if not self._careful:
                raise DamagedError
            if self._lost or not self._hides:
                yield from (Shown(None, pts) for pts in missing)

    def _release(self, *, end: bool = False) -> Iterator[Shown]:
        """The pictures that are held back, as far as their places are known.

        Args:
            end: no further picture will come out.
        """
        while self._held:
            picture = self._held[0]
            pts = picture.pts
            if pts is None or pts < self._latest:
                self._timeline.timed = False
            if not self._timeline.timed or pts is None:
                yield self._give(None)
                continue
            if self._limit is not None and pts >= self._limit:
                # Of what a cut file shows from here on, the numbers are not known.
                self._held.popleft()
                continue
            missing = [] if self._irregular else self._timeline.missing_before(pts)
            if missing:
                if any(other.pts is None or other.pts < pts for other in self._held):
                    self._timeline.timed = False
                    continue
                if not end and len(self._held) <= _REORDERED:
                    return
                yield from self._miss(missing, picture)
            self._timeline.tick_off(pts)
            self._latest = pts
            yield self._give(pts)

    def _give(self, pts: int | None) -> Shown:
        picture = self._held.popleft()
        self._given += 1
        self._patched += picture.is_corrupt
        return Shown(picture, pts)

    def _miss(self, missing: list[int], picture: VideoFrame) -> Iterator[Shown]:
        """Places without a picture before this one, which came out first."""
        if not self._given and not self._lost:
            self.skipped += len(missing)
        elif not self._lost and (picture.interlaced_frame or self._hides):
            # Fields in packets of their own, or frames that are never shown: from here on only
            # errors count.
            self._irregular = True
        elif not self._careful:
            raise DamagedError
        else:
            yield from (Shown(None, pts) for pts in missing)


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
