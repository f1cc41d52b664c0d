"""Y4M and containers, decoded by PyAV: every picture once, in presentation order."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING

from vmafsal.errors import InputError, UsageError
from vmafsal.video import tags
from vmafsal.video.base import Source, SourceInfo, label
from vmafsal.video.cut import lacks_index, stated_size
from vmafsal.video.files import ByteInput
from vmafsal.video.frame import Frame
from vmafsal.video.pictures import MAY_HIDE, DamagedError, PictureReader
from vmafsal.video.pixels import pixel_layout, planes_of, readable_format

if TYPE_CHECKING:
    from av import VideoFrame
    from av.codec.hwaccel import HWAccel
    from av.container import InputContainer
    from av.video.stream import VideoStream

__all__ = ["ContainerSource", "reading"]

MAX_GAP = 8
"""Pictures in a row that may be lost."""

MAX_LOST = 0.01
"""Share of all pictures that may be lost."""

_PIPE_BUFFER = 1 << 20
_Y4M_MARKER = len(b"FRAME\n")


class ContainerSource(Source):
    """One video stream of a container, or a Y4M file."""

    def __init__(self, source: ByteInput, stream: int | None = None) -> None:
        self._source = source
        self._wanted_stream = stream
        self._container, self._stream = self._open()
        super().__init__(_facts(self._container, self._stream, source))
        self._name = label(source.path)
        self._seen = self._gaps = 0
        self._reader: PictureReader | None = None
        self._said: set[str] = set()
        context = self._stream.codec_context
        self.notices += tags.colour_notices(self._name, context.colorspace, context.color_trc)
        self._check_whole()

    def _open(self, hwaccel: HWAccel | None = None) -> tuple[InputContainer, VideoStream]:
        """A new handle on the file, and the stream in it."""
        container = _open(self._source, hwaccel)
        try:
            return container, _choose_stream(container, self._source.path, self._wanted_stream)
        except BaseException:
            container.close()
            raise

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
        """Number of pictures that are shown, from the packets alone.

        Returns:
            None for pipes, and where packets need not be pictures: interlaced video, whose fields
            may have packets of their own, and old codecs with frames that are never shown.
        """
        context = self._stream.codec_context
        interlaced = int(context.field_order) > 1
        if self.info.size_bytes is None or interlaced or context.name in MAY_HIDE:
            return None
        with reading(self._name):
            if self.info.kind == "y4m":
                container, stream = self._open()
                with container:
                    frames = _y4m_count(container, stream, self.info.size_bytes)
                if frames is not None:
                    return frames
            container, stream = self._open()
            with container:
                reader = PictureReader(container, stream, careful=True, cut=self.truncated)
                # No key frame at all, as with gradual refresh: the decoder decides.
                return reader.count() or None

    def _read(self, start: int, stop: int | None, step: int) -> Iterator[Frame]:
        pictures = self._checked()
        try:
            with reading(self._name):
                for number, picture in enumerate(islice(pictures, start, stop, step)):
                    yield self._frame(picture, number * step)
        except GeneratorExit:
            self._report()
            raise
        finally:
            pictures.close()
        self._check_unchanged()
        self._check_gaps()
        self._report()

    def _checked(self) -> Generator[VideoFrame | None]:
        """Every picture, looked at on its way."""
        gaps_in_a_row = 0
        for picture in self._pictures():
            if picture is None:
                self._gaps += 1
                gaps_in_a_row += 1
                if gaps_in_a_row > MAX_GAP:
                    raise InputError(
                        f"{self._name} is damaged: more than {MAX_GAP} pictures in a row, up to "
                        f"picture {self._seen:,}, could not be decoded. Get a whole copy of it."
                    )
            else:
                gaps_in_a_row = 0
                self._look_at(picture)
            self._seen += 1
            yield picture

    def _pictures(self) -> Iterator[VideoFrame | None]:
        """The pictures by the fast pass and, where that meets damage, the careful one."""
        # A pipe cannot be read again, so that it is read with care at once.
        careful = self.info.size_bytes is None
        given = 0
        try:
            for picture in self._pass(careful=careful):
                given += 1
                yield picture
            return
        except DamagedError:
            self._check_unchanged()
        self._container.close()
        # In software, whoever decoded before: how that fails is known.
        self._container, self._stream = self._open()
        yield from islice(self._pass(careful=True), given, None)

    def _pass(self, *, careful: bool) -> Iterator[VideoFrame | None]:
        reader = PictureReader(self._container, self._stream, careful=careful, cut=self.truncated)
        self._reader = reader
        yield from reader
        self._check_end(reader)

    def _check_end(self, reader: PictureReader) -> None:
        """The stream is over: say so if the file is not."""
        self._check_unchanged()
        if self._seen == self._gaps:
            raise InputError(f"{self._name} holds no picture that can be decoded.")
        size = self.info.size_bytes
        total = self._source.position if size is None else size
        rest = total - reader.end
        if self.info.kind == "y4m" and rest > 0:
            if rest > reader.largest + _Y4M_MARKER:
                raise InputError(
                    f"{self._name} is damaged: after {self._seen:,} frames no frame marker "
                    f"follows, though {rest:,} bytes do. Get a whole copy of it."
                )
            self.truncated = True
            self.notices.append(
                f"{self._name} holds {self._seen:,} frames and {rest:,} bytes more; those bytes "
                "were left out."
            )
        elif reader.error is not None and not self.truncated:
            self.truncated = True
            self.notices.append(
                f"{self._name} cannot be read beyond picture {self._seen:,} ({reader.error}). "
                "It is scored to there."
            )

    def _look_at(self, picture: VideoFrame) -> None:
        """Refuse a picture unlike the first; say once what is odd about the video."""
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

    def _frame(self, picture: VideoFrame | None, index: int) -> Frame:
        info = self.info
        if picture is None:
            return Frame((), info.chroma, info.bit_depth, index)
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
        return Frame(planes, layout.chroma, layout.bits, index, matrix, full_range)

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
        """Close the file; frames that were handed out stay valid."""
        self._container.close()
        self._source.close()


@contextmanager
def reading(name: str) -> Iterator[None]:
    """Turn what ffmpeg and the system raise into sentences."""
    import av

    try:
        yield
    except (av.error.FFmpegError, OSError) as error:
        raise InputError(f"{name} cannot be read: {error.strerror}.") from error


def _open(source: ByteInput, hwaccel: HWAccel | None) -> InputContainer:
    import av

    name = label(source.path)
    try:
        if source.size is None:
            return av.open(source, "r", metadata_errors="replace", buffer_size=_PIPE_BUFFER)
        # The prefix keeps a colon in a file name from naming a protocol, and the list keeps
        # a playlist from reaching for the network.
        return av.open(
            f"file:{source.path}",
            "r",
            metadata_errors="replace",
            container_options={"protocol_whitelist": "file"},
            hwaccel=hwaccel,
        )
    except (av.error.FFmpegError, OSError) as error:
        if source.size is None:
            remedy = "Only raw video, Y4M and containers that need no seeking come through a pipe."
        elif lacks_index(source.path):
            remedy = "Its index (moov) is missing, as when a recording or a copy was cut short."
        else:
            remedy = "Raw video needs --width and --height; any other file is damaged or no video."
        raise InputError(f"{name} cannot be read as video: {error.strerror}. {remedy}") from error


def _choose_stream(container: InputContainer, path: str, wanted: int | None) -> VideoStream:
    from av.stream import Disposition

    streams = [
        stream
        for stream in container.streams.video
        if not stream.disposition & Disposition.attached_pic
    ]
    # The demuxer named tty takes any text for a drawing.
    if not streams or container.format.name == "tty":
        raise InputError(f"{label(path)} holds no video.")
    number = wanted or 0
    if not 0 <= number < len(streams):
        raise UsageError(
            f"--stream {number}: {label(path)} has {len(streams)} video "
            f"{'stream' if len(streams) == 1 else 'streams'}, numbered from 0."
        )
    return streams[number]


def _facts(container: InputContainer, stream: VideoStream, source: ByteInput) -> SourceInfo:
    name = label(source.path)
    # None where no decoder was built in, whatever the type says.
    context = stream.codec_context
    if context is None:
        raise InputError(f"{name} uses a codec that cannot be decoded here. Convert it first.")
    if not context.pix_fmt or not context.width or not context.height:
        raise InputError(
            f"{name} holds no {context.name} picture that can be decoded. Get a whole copy of it."
        )
    readable = readable_format(context.pix_fmt)
    layout = pixel_layout(readable) if readable else None
    if layout is None:
        raise InputError(
            f"{name} has the pixel format {context.pix_fmt}, which is not read. Convert it first, "
            "for example with ffmpeg -pix_fmt yuv420p."
        )
    rate = stream.average_rate or stream.guessed_rate
    return SourceInfo(
        path=source.path,
        kind="y4m" if container.format.name == "yuv4mpegpipe" else "container",
        width=context.width,
        height=context.height,
        chroma=layout.chroma,
        bit_depth=layout.bits,
        fps=float(rate) if rate else None,
        matrix=tags.matrix(context.colorspace),
        full_range=True if layout.full_range else tags.full_range(context.color_range),
        transfer=tags.transfer(context.color_trc),
        codec=context.name,
        size_bytes=source.size,
        frame_estimate=_estimate(container, stream),
    )


def _estimate(container: InputContainer, stream: VideoStream) -> int | None:
    """Number of frames by the header, else by the duration; None where neither is stated."""
    if stream.frames:
        return stream.frames
    if stream.average_rate and container.duration:
        # A container's duration is in microseconds.
        return round(container.duration / 1e6 * stream.average_rate)
    return None


def _y4m_count(container: InputContainer, stream: VideoStream, size: int) -> int | None:
    """Frames of a Y4M file by its size; None where that is no whole number of plain frames."""
    first = next(container.demux(stream))
    if first.pos is None or not first.size:
        return None
    frame_bytes = first.size + _Y4M_MARKER
    frames, rest = divmod(size - first.pos + _Y4M_MARKER, frame_bytes)
    return None if rest else frames
