"""Opening a container with PyAV: which of its streams is the video, and what its headers say."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vmafsal.errors import InputError, UsageError
from vmafsal.video import tags
from vmafsal.video.base import SourceInfo, label
from vmafsal.video.cut import lacks_index
from vmafsal.video.files import ByteInput
from vmafsal.video.pixels import pixel_layout, readable_format

if TYPE_CHECKING:
    from av.codec.hwaccel import HWAccel
    from av.container import InputContainer
    from av.video.stream import VideoStream

__all__ = ["OpenStream", "Opener", "facts", "reading"]

_PIPE_BUFFER = 1 << 20

_DEEP = {"probesize": str(1 << 30), "analyzeduration": str(3_600_000_000)}
"""Look at up to 1 GiB and an hour (in microseconds) for streams that begin late."""


@dataclass(frozen=True, slots=True)
class OpenStream:
    """A container that is open, and the stream in it."""

    container: InputContainer
    stream: VideoStream
    others: str | None
    """A sentence about the other video streams; None without others, or with --stream."""


@contextmanager
def reading(name: str) -> Iterator[None]:
    """Turn what ffmpeg and the system raise into sentences."""
    import av

    try:
        yield
    except (av.error.FFmpegError, OSError) as error:
        raise InputError(f"{name} cannot be read: {error.strerror}.") from error


class Opener:
    """Opens the same stream of the same container as often as is asked for."""

    def __init__(self, source: ByteInput, stream: int | None, format_name: str | None) -> None:
        """
        Args:
            source: a file, or a pipe that can be opened once.
            stream: which of its video streams, from 0; None is the first.
            format_name: ffmpeg's name of the format; None lets ffmpeg probe it.
        """
        self._source = source
        self._wanted = stream
        self._format = format_name
        self._options: dict[str, str] = {}

    def open(self, hwaccel: HWAccel | None = None) -> OpenStream:
        """A new handle on the container and the stream.

        Raises:
            InputError: if it cannot be read, or holds no video.
            UsageError: if it has no stream of that number.
        """
        try:
            return self._open_once(hwaccel)
        except (InputError, UsageError):
            # Streams of a recording may begin after the part that ffmpeg looks at.
            if self._source.size is None or self._options or not self._begins_late():
                raise
        self._options = _DEEP
        return self._open_once(hwaccel)

    def _begins_late(self) -> bool:
        """True for a format whose header does not list the streams."""
        with self._container(None) as container:
            return container.format.name in {"mpegts", "mpeg"}

    def _open_once(self, hwaccel: HWAccel | None) -> OpenStream:
        container = self._container(hwaccel)
        try:
            return self._choose(container)
        except BaseException:
            container.close()
            raise

    def _container(self, hwaccel: HWAccel | None) -> InputContainer:
        import av

        source = self._source
        name = label(source.path)
        try:
            if source.size is None:
                return av.open(
                    source,
                    "r",
                    format=self._format,
                    metadata_errors="replace",
                    buffer_size=_PIPE_BUFFER,
                )
            # The prefix keeps a colon in a file name from naming a protocol, the list keeps a
            # playlist from reaching for the network, and the pattern type keeps a % in the name
            # of a picture from naming its neighbours.
            return av.open(
                f"file:{source.path}",
                "r",
                format=self._format,
                metadata_errors="replace",
                container_options={
                    "protocol_whitelist": "file",
                    "pattern_type": "none",
                    # As the ffmpeg command does: programmes of a transport stream may change.
                    "scan_all_pmts": "1",
                    **self._options,
                },
                hwaccel=hwaccel,
            )
        except (av.error.FFmpegError, OSError) as error:
            if source.size is None:
                remedy = (
                    "Only raw video, Y4M and containers that need no seeking come through a pipe. "
                    "Name a file instead."
                )
            elif lacks_index(source.path):
                remedy = "Its index (moov) is missing, as when a recording or a copy was cut short."
            else:
                remedy = (
                    "Raw video needs --width and --height; any other file is damaged or no video."
                )
            raise InputError(
                f"{name} cannot be read as video: {error.strerror}. {remedy}"
            ) from error

    def _choose(self, container: InputContainer) -> OpenStream:
        from av.stream import Disposition

        name = label(self._source.path)
        streams = [
            stream
            for stream in container.streams.video
            if not stream.disposition & Disposition.attached_pic
        ]
        # The demuxer named tty decodes any text file.
        if not streams or container.format.name == "tty":
            raise InputError(f"{name} holds no video.")
        whole = [s for s in streams if not s.disposition & Disposition.dependent]
        if len(whole) < len(streams) and not any(
            stream.disposition & Disposition.default for stream in whole
        ):
            raise InputError(
                f"{name} is one picture in {len(streams) - len(whole)} tiles, which are not put "
                "together here. Convert it to a picture of one piece first, for example to PNG."
            )
        streams = whole
        number = self._wanted or 0
        if not 0 <= number < len(streams):
            raise UsageError(
                f"--stream {number}: {name} has {len(streams)} video "
                f"{'stream' if len(streams) == 1 else 'streams'}, numbered from 0."
            )
        chosen = streams[number]
        _check_decodable(chosen, name)
        others = None
        if self._wanted is None and len(streams) > 1:
            listed = ", ".join(
                f"{other} ({_described(stream)})" for other, stream in enumerate(streams) if other
            )
            others = (
                f"{name} has {len(streams)} video streams. The first is scored "
                f"({_described(chosen)}); --stream N chooses another: {listed}."
            )
        return OpenStream(container, chosen, others)


def _described(stream: VideoStream) -> str:
    context = stream.codec_context
    if context is None:
        return "unknown codec"
    if not context.width:
        return f"{context.name}, begins later"
    return f"{context.name} {context.width}x{context.height}"


def _check_decodable(stream: VideoStream, name: str) -> None:
    # None where no decoder was built in, whatever the type says.
    context = stream.codec_context
    if context is None:
        raise InputError(f"{name} uses a codec that cannot be decoded here. Convert it first.")
    if not context.pix_fmt or not context.width or not context.height:
        raise InputError(
            f"{name} holds no {context.name} picture that can be decoded. Get a whole copy of it."
        )


def facts(opened: OpenStream, source: ByteInput) -> SourceInfo:
    """What the headers say of a stream.

    Raises:
        InputError: if its pixel format is not read.
    """
    stream = opened.stream
    context = stream.codec_context
    readable = readable_format(context.pix_fmt or "")
    layout = pixel_layout(readable) if readable else None
    if layout is None:
        raise InputError(
            f"{label(source.path)} has the pixel format {context.pix_fmt}, which is not read. "
            "Convert it first, for example with ffmpeg -pix_fmt yuv420p."
        )
    rate = stream.average_rate or stream.guessed_rate
    return SourceInfo(
        path=source.path,
        kind="container",
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
        frame_estimate=_estimate(opened.container, stream),
    )


def _estimate(container: InputContainer, stream: VideoStream) -> int | None:
    """Number of frames by the header, else by the duration; None where neither is stated."""
    if stream.frames:
        return stream.frames
    if stream.average_rate and container.duration:
        # A container's duration is in microseconds.
        return round(container.duration / 1e6 * stream.average_rate)
    return None
