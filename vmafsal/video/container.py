"""Containers, decoded by PyAV: every picture once, in presentation order."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING

from vmafsal.errors import InputError
from vmafsal.video import tags
from vmafsal.video.base import Source, label
from vmafsal.video.clock import Clock
from vmafsal.video.cut import stated_size
from vmafsal.video.files import ByteInput, open_bytes
from vmafsal.video.frame import Frame
from vmafsal.video.packets import (
    MAY_HIDE,
    Demuxer,
    InexactError,
    PacketIndex,
    index_packets,
    packets_from,
)
from vmafsal.video.pictures import DamagedError, PictureReader, Shown
from vmafsal.video.pixels import pixel_layout, planes_of, readable_format
from vmafsal.video.streams import Opener, facts, reading

if TYPE_CHECKING:
    from av import VideoFrame
    from av.codec.hwaccel import HWAccel
    from av.container import InputContainer
    from av.video.stream import VideoStream

__all__ = ["ContainerSource"]

MAX_GAP = 8
"""Pictures in a row that may be lost."""

MAX_LOST = 0.01
"""Share of all pictures that may be lost."""

_WORTH_SEEKING = 48
"""Decoding fewer pictures than this is faster than a seek."""


@dataclass(frozen=True, slots=True)
class _Beginning:
    """A key frame that decoding begins at."""

    position: int
    """In the video, from 0."""
    time: int
    """Its presentation time."""
    decoding_time: int

    def without_leading(self, pictures: Iterable[Shown]) -> Iterator[Shown]:
        """The pictures from the key frame on; those shown before it refer to earlier ones."""
        return (shown for shown in pictures if shown.pts is None or shown.pts >= self.time)


class ContainerSource(Source):
    """One video stream of a container."""

    def __init__(
        self, source: ByteInput, stream: int | None = None, format_name: str | None = None
    ) -> None:
        """
        Args:
            source: what open_bytes() opened.
            stream: which of its video streams, from 0; None is the first.
            format_name: ffmpeg's name of the format; None lets ffmpeg probe it.
        """
        self._source = source
        self._asked = stream, format_name
        self._opener = Opener(source, stream, format_name)
        opened = self._opener.open()
        self._container, self._stream = opened.container, opened.stream
        try:
            super().__init__(facts(opened, source))
        except BaseException:
            opened.container.close()
            raise
        self._name = label(source.path)
        self._seen = self._gaps = 0
        self._clock = Clock(self.info.fps, float(self._stream.time_base or 0))
        self._begin: _Beginning | None = None
        self._reader: PictureReader | None = None
        self._said: set[str] = set()
        context = self._stream.codec_context
        self.notices += tags.colour_notices(self._name, context.colorspace, context.color_trc)
        if opened.others is not None:
            self.notices.append(opened.others)
        self._check_whole()

    def _open(self, hwaccel: HWAccel | None = None) -> tuple[InputContainer, VideoStream]:
        """A new handle on the file, and the stream in it."""
        opened = self._opener.open(hwaccel)
        return opened.container, opened.stream

    def _check_whole(self) -> None:
        size = self.info.size_bytes
        stated = None if size is None else stated_size(self.info.path)
        if size is not None and stated is not None and stated > size:
            self.truncated = True
            self.notices.append(
                f"{self._name} is cut short: it holds {size:,} of {stated:,} bytes. "
                "It is scored to where it ends."
            )

    def count(self) -> int | None:
        """Number of pictures that are shown, from the packets.

        Returns:
            None for pipes, and where packets need not be pictures: interlaced video, whose fields
            may have packets of their own, and old codecs with frames that are never shown.
        """
        context = self._stream.codec_context
        interlaced = int(context.field_order) > 1
        if self.info.size_bytes is None or interlaced or context.name in MAY_HIDE:
            return None
        with reading(self._name):
            container, stream = self._open()
            with container:
                reader = PictureReader(container, stream, careful=True, cut=self.truncated)
                total = reader.count()
            return None if total is None else total - self._skipped

    @cached_property
    def _skipped(self) -> int:
        """Pictures that a decoder does not show at the beginning, found by decoding the first."""
        container, stream = self._open()
        with container:
            reader = PictureReader(container, stream, careful=True, cut=self.truncated)
            next(iter(reader), None)
            return reader.skipped

    @cached_property
    def _index(self) -> PacketIndex | None:
        """Times of the pictures that are shown, where the packets determine them."""
        if self.info.size_bytes is None or self.truncated:
            return None
        container, stream = self._open()
        with container, reading(self._name):
            try:
                index = index_packets(container, stream, self._name)
            except InexactError:
                return None
        return PacketIndex(index.times[self._skipped :], index.keys)

    def times(self) -> tuple[PacketIndex, float, float]:
        """Times of all pictures, by the packets alone.

        Returns:
            The index, seconds of a unit of its times, and the largest error of position / frame
            rate in seconds.
        Raises:
            InexactError: where packets do not determine which pictures a decoder shows.
        """
        if self.truncated:
            raise InexactError(f"{self._name} is cut short")
        with reading(self._name):
            index = index_packets(self._container, self._stream, self._name)
        base = float(self._stream.time_base or 0)
        clock = Clock(self.info.fps, base)
        for position, time in enumerate(index.times):
            clock.time(position, time)
        return index, base, clock.deviation

    def position_at(self, seconds: float) -> int:
        """As of Source. From the packets where they suffice, else by decoding up to there."""
        if self.info.size_bytes is None:
            raise InputError(
                f"{self._name} is a pipe, of which only raw video and Y4M can begin at a time. "
                "Name a file."
            )
        index = self._index
        if index is not None:
            base = float(self._stream.time_base or 0)
            return index.position(index.times[0] + (seconds - 1e-6) / base) if base else 0
        with ContainerSource(open_bytes(self.info.path), *self._asked) as other:
            count = 0
            for frame in other.frames():
                if frame.time is None:
                    raise InputError(
                        f"{self._name} does not tell when its pictures are shown. Choose by "
                        "number, with --frame_skip_dist and --frame_cnt."
                    )
                if frame.time >= seconds - 1e-6:
                    break
                count += 1
            return count

    def _read(self, start: int, stop: int | None, step: int) -> Iterator[Frame]:
        with reading(self._name):
            self._begin = self._key_frame_before(start)
        self._seen = base = self._begin.position if self._begin else 0
        pictures = self._checked()
        try:
            with reading(self._name):
                end = None if stop is None else max(start, stop) - base
                wanted = islice(pictures, start - base, end, step)
                for number, (picture, time) in enumerate(wanted):
                    yield self._frame(picture, number * step, time)
        except GeneratorExit:
            self._report()
            raise
        finally:
            pictures.close()
        self._check_unchanged()
        self._check_gaps()
        self._report()

    def _checked(self) -> Generator[tuple[VideoFrame | None, float | None]]:
        """Every picture, checked as it passes, and its time in seconds."""
        gaps_in_a_row = 0
        for shown in self._pictures():
            if shown.picture is None:
                self._gaps += 1
                gaps_in_a_row += 1
                if gaps_in_a_row > MAX_GAP:
                    raise InputError(
                        f"{self._name} is damaged: more than {MAX_GAP} pictures in a row, up to "
                        f"picture {self._seen:,}, could not be decoded. Get a whole copy of it."
                    )
            else:
                gaps_in_a_row = 0
                self._look_at(shown.picture)
            time = self._clock.time(self._seen, shown.pts)
            self._seen += 1
            yield shown.picture, time

    def _pictures(self) -> Iterator[Shown]:
        """The pictures by the fast pass and, where that meets damage, the careful one."""
        # A pipe cannot be read again, so that it is read with care at once.
        careful = self.info.size_bytes is None
        given = 0
        while True:
            begin, container, stream = self._begin, self._container, self._stream
            packets = None if begin is None else self._packets_from(begin, container, stream)
            self._reader = reader = PictureReader(
                container, stream, careful=careful, cut=self.truncated, packets=packets
            )
            pictures = iter(reader) if begin is None else begin.without_leading(reader)
            try:
                for shown in islice(pictures, given, None):
                    given += 1
                    yield shown
                break
            except DamagedError:
                self._check_unchanged()
            careful = True
            self._container.close()
            # Always in software, whose errors on damaged video are known.
            self._container, self._stream = self._open()
        self._check_end(reader)

    def _key_frame_before(self, start: int) -> _Beginning | None:
        """The key frame to decode from to see the picture at `start`; None for the first one.

        Pictures from there on are decoded once to check that they are those that the packets
        announce: key frames need not be complete, and stamps need not be presentation times.
        """
        index = self._index if start >= _WORTH_SEEKING else None
        if index is None or start >= len(index.times):
            return None
        key = index.key_before(start)
        begin = _Beginning(index.position(key), key, index.keys[key])
        if begin.position == 0 or index.times[begin.position] != key:
            return None
        # One picture more than is wanted: leading pictures that are missing show there.
        due = index.times[begin.position : start + 2]
        container, stream = self._open()
        with container:
            try:
                packets = self._packets_from(begin, container, stream)
                reader = PictureReader(container, stream, careful=False, cut=False, packets=packets)
                came = [p.pts for p in islice(begin.without_leading(reader), len(due))]
            except (DamagedError, InexactError):
                return None
        if came != due:
            return None
        self._clock.origin = index.times[0]
        return begin

    def _packets_from(
        self, begin: _Beginning, container: InputContainer, stream: VideoStream
    ) -> Demuxer:
        return packets_from(container, stream, begin.time, begin.decoding_time, self._name)

    def _check_end(self, reader: PictureReader) -> None:
        """At the end of the stream: report a file that goes on."""
        self._check_unchanged()
        if self._seen == self._gaps:
            raise InputError(f"{self._name} holds no picture that can be decoded.")
        if reader.error is not None and not self.truncated:
            self.truncated = True
            self.notices.append(
                f"{self._name} cannot be read beyond picture {self._seen:,} ({reader.error}). "
                "It is scored to there."
            )

    def _look_at(self, picture: VideoFrame) -> None:
        """Refuse a picture unlike the first; report once what is unusual about the video."""
        info = self.info
        if (picture.width, picture.height) != (info.width, info.height):
            raise InputError(
                f"{self._name} changes its size at picture {self._seen}: from "
                f"{info.width}x{info.height} to {picture.width}x{picture.height}. Split it there, "
                "or scale it to one size first."
            )
        if picture.interlaced_frame:
            self._say_once("interlaced", "is interlaced; its pictures are scored as whole frames.")
        if picture.rotation:
            self._say_once(
                "rotated",
                f"is to be shown rotated by {picture.rotation % 360} degrees; it is scored as "
                "stored.",
            )

    def _say_once(self, what: str, sentence: str) -> None:
        if what not in self._said:
            self._said.add(what)
            self.notices.append(f"{self._name} {sentence}")

    def _frame(self, picture: VideoFrame | None, index: int, time: float | None) -> Frame:
        info = self.info
        if picture is None:
            return Frame((), info.chroma, info.bit_depth, index, time=time)
        name = readable_format(picture.format.name)
        layout = pixel_layout(name) if name else None
        same = layout and (layout.chroma, layout.bits) == (info.chroma, info.bit_depth)
        if name is None or layout is None or not same:
            raise InputError(
                f"{self._name} changes its pixel format to {picture.format.name} midway. Split it "
                "there, or convert it to one format first."
            )
        full_range = True if layout.full_range else tags.full_range(picture.color_range)
        matrix = tags.matrix(picture.colorspace)
        if name != picture.format.name:
            picture = picture.reformat(format=name, threads=1)
        planes = planes_of(picture, layout)
        return Frame(planes, layout.chroma, layout.bits, index, matrix, full_range, time)

    def _report(self) -> None:
        """What is known only after reading."""
        if self._gaps:
            self.notices.append(
                f"{self._gaps:,} of {self._seen:,} pictures of {self._name} could not be decoded; "
                "their frame numbers are left out."
            )
        if self._reader is not None and self._reader.damaged:
            self.notices.append(
                f"{self._reader.damaged:,} of {self._seen:,} pictures of {self._name} are damaged; "
                "they, and those that build on them, were scored as the decoder patched them."
            )
        if self._reader is not None and self._reader.another_stream is not None:
            self.notices.append(
                f"Another stream begins in {self._name} after {self._reader.another_stream:,} "
                "pictures. If the video goes on there, --stream 1 scores it."
            )
        uneven = self._clock.notice(self._name)
        if uneven is not None:
            self.notices.append(uneven)

    def _check_gaps(self) -> None:
        if self._gaps > MAX_LOST * self._seen:
            raise InputError(
                f"{self._name} is damaged: {self._gaps:,} of {self._seen:,} pictures could not be "
                f"decoded, more than {MAX_LOST:.0%}. Get a whole copy of it."
            )

    def _check_unchanged(self) -> None:
        before = self.info.size_bytes
        if before is None:
            return
        try:
            now = os.stat(self.info.path).st_size
        except OSError as error:
            raise InputError(f"{self._name} vanished while it was read.") from error
        if now != before:
            raise InputError(
                f"{self._name} changed its size from {before:,} to {now:,} bytes while it was "
                "read. Wait until nothing writes to it, and run again."
            )

    def close(self) -> None:
        """Close the file; frames that were yielded stay valid."""
        self._container.close()
        self._source.close()
