"""Encode a video with regions of interest, its audio copied."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import PurePath
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vmafsal.errors import InputError, OutputError, UsageError
from vmafsal.roi.encoder import TIME_BASE, Encoder, Encoding, Pass, Shape
from vmafsal.video.base import label
from vmafsal.video.frame import Frame

if TYPE_CHECKING:
    from av import Packet
    from av.container import InputContainer, OutputContainer

__all__ = [
    "CONTAINERS",
    "Encoded",
    "OffsetStore",
    "Original",
    "container_format",
    "encode",
    "holds_audio",
]

_REORDERING = 10
"""Seconds between decoding and showing a picture that no encoder reaches."""

CONTAINERS = {
    ".mp4": "mp4",
    ".m4v": "mp4",
    ".mov": "mov",
    ".mkv": "matroska",
    ".ts": "mpegts",
    ".264": "h264",
    ".h264": "h264",
    ".265": "hevc",
    ".h265": "hevc",
    ".hevc": "hevc",
}
"""Ending of a file to ffmpeg's name of its format."""

Marked = tuple[Frame, NDArray[np.int8] | None]
"""A frame, and the QP offsets of its blocks."""


def container_format(path: str) -> str:
    """ffmpeg's name of the format that a file's ending says.

    Raises:
        UsageError: for another ending.
    """
    ending = PurePath(path).suffix.lower()
    if ending not in CONTAINERS:
        raise UsageError(
            f"The ending of {path} names no container that is written here. Choose one of "
            f"{', '.join(CONTAINERS)}."
        )
    return CONTAINERS[ending]


def holds_audio(path: str) -> bool:
    """Whether a file of this ending can hold audio beside the video.

    Raises:
        UsageError: as container_format().
    """
    return container_format(path) not in ("h264", "hevc")


@dataclass(frozen=True, slots=True)
class Encoded:
    """What an encode came to."""

    path: str
    size_bytes: int
    """Of the file, audio included."""
    kbps: float
    """Of the video alone, in kilobits per second."""


class OffsetStore:
    """The offsets of each frame of a video, kept small between two passes."""

    def __init__(self) -> None:
        self._packed: dict[int, bytes] = {}
        self._shape: tuple[int, ...] = ()

    def keeping(self, frames: Iterable[tuple[Frame, NDArray[np.int8]]]) -> Iterator[Marked]:
        """Pass frames on, and keep their offsets."""
        for frame, offsets in frames:
            self._shape = offsets.shape
            self._packed[frame.index] = zlib.compress(offsets.tobytes(), 1)
            yield frame, offsets

    def again(self, frames: Iterable[Frame]) -> Iterator[Marked]:
        """Put the kept offsets beside the same frames, read anew."""
        for frame in frames:
            packed = self._packed.get(frame.index)
            if packed is not None:
                offsets = np.frombuffer(zlib.decompress(packed), np.int8).reshape(self._shape)
                yield frame, offsets


class Original:
    """What is taken from the input file besides its pictures: tags, and audio packets."""

    def __init__(self, path: str, stream: int | None = None) -> None:
        """
        Args:
            path: of the input. A raw one has neither tags nor audio.
            stream: as --stream.
        Raises:
            InputError: if it is interlaced.
        """
        self.path, self._stream = path, stream
        self.tags: dict[str, Any] = {}
        """See Shape."""
        self.has_audio = False
        self.start = 0.0
        """Presentation time of the first picture in the file, in seconds."""
        with _opened(path) as container:
            if container is None:
                return
            video = _video(container, stream)
            if video is None:
                return
            context = video.codec_context
            if int(context.field_order) > 1:
                raise InputError(
                    f"{label(path)} is interlaced, and encoders ignore regions of interest on "
                    "interlaced pictures. Deinterlace it first: ffmpeg -vf bwdif"
                )
            names = ("color_range", "colorspace", "color_primaries", "color_trc")
            self.tags = {name: int(getattr(context, name)) for name in names}
            if context.sample_aspect_ratio:
                self.tags["sample_aspect_ratio"] = context.sample_aspect_ratio
            self.has_audio = bool(container.streams.audio)
            if video.start_time is not None and video.time_base is not None:
                self.start = float(video.start_time * video.time_base)


class _Audio:
    """Copies the audio of the input, in step with the video."""

    def __init__(self, original: Original, source: InputContainer, output: OutputContainer) -> None:
        self._output = output
        self._start = original.start
        self._streams = {
            stream.index: output.add_stream_from_template(stream) for stream in source.streams.audio
        }
        self._packets = self._shifted(source)
        self._next: Packet[Any] | None = next(self._packets, None)

    def _shifted(self, source: InputContainer) -> Iterator[Packet[Any]]:
        for packet in source.demux(source.streams.audio):
            if packet.dts is None or packet.time_base is None:
                continue
            shift = round(Fraction(self._start) / packet.time_base)
            packet.dts -= shift
            if packet.pts is not None:
                packet.pts -= shift
            packet.stream = self._streams[packet.stream.index]
            yield packet

    def mux_until(self, seconds: float) -> None:
        """Write the packets that begin before a time."""
        while self._next is not None:
            packet = self._next
            assert packet.dts is not None
            assert packet.time_base is not None
            if packet.dts * packet.time_base > seconds:
                return
            self._output.mux(packet)
            self._next = next(self._packets, None)


def encode(
    frames: Iterable[Marked],
    shape: Shape,
    encoding: Encoding,
    path: str,
    original: Original,
    *,
    number: Pass = 0,
    statistics: str = "",
    named: str | None = None,
) -> Encoded:
    """Encode a video once.

    Args:
        frames: with their offsets, in order.
        shape: of the pictures.
        encoding: how to encode.
        path: of the file to write; pass 1 writes none.
        original: the input, whose audio is copied.
        number: which pass.
        statistics: file that pass 1 writes and pass 2 reads.
        named: what the file will be called, if that is not `path`.
    Raises:
        OutputError: if it cannot be written, or does not hold the audio.
    """
    import av

    named = named or path
    kind = "null" if number == 1 else container_format(named)
    copies_audio = original.has_audio and number != 1 and holds_audio(named)
    size, end = 0, Fraction(0)
    with _opened(original.path if copies_audio else "") as source:
        output = av.open(path, "w", format=kind)
        with output:
            encoder = Encoder(output, shape, encoding, number, statistics)
            try:
                audio = _Audio(original, source, output) if source is not None else None
                output.start_encoding()
            except (av.error.FFmpegError, ValueError) as error:
                raise OutputError(
                    f"{named} cannot hold the audio of {label(original.path)}. Write an .mkv file."
                ) from error

            def packets() -> Iterator[Packet[Any]]:
                for frame, offsets in frames:
                    yield from encoder(frame, offsets)
                yield from encoder.flush()

            for packet in packets():
                assert packet.pts is not None
                # x265 leaves the decoding time undefined in a stream that is shorter than its
                # reordering; such a stream is not reordered.
                if packet.dts is None or abs(packet.pts - packet.dts) * TIME_BASE > _REORDERING:
                    packet.dts = packet.pts
                size += packet.size
                end = max(end, packet.pts * TIME_BASE)
                if audio is not None and packet.dts is not None:
                    audio.mux_until(float(packet.dts * TIME_BASE))
                output.mux(packet)
            if audio is not None:
                audio.mux_until(float("inf"))
    written = 0 if number == 1 else os.path.getsize(path)
    return Encoded(named, written, float(size * 8 / 1000 / (end + 1 / shape.rate)))


@contextmanager
def statistics_file() -> Iterator[str]:
    """A place for the statistics of a first pass, gone afterwards."""
    with TemporaryDirectory(prefix="vmafsal-") as folder:
        yield os.path.join(folder, "pass.log")


@contextmanager
def _opened(path: str) -> Iterator[InputContainer | None]:
    """The input as ffmpeg sees it; None where it is no container."""
    import av

    try:
        container = av.open(
            f"file:{path}",
            metadata_errors="replace",
            container_options={"protocol_whitelist": "file"},
        )
    except (av.error.FFmpegError, OSError):
        yield None
        return
    with container:
        yield container


def _video(container: InputContainer, number: int | None) -> Any:
    from av.stream import Disposition

    streams = [
        stream
        for stream in container.streams.video
        if not stream.disposition & Disposition.attached_pic
    ]
    return streams[number or 0] if len(streams) > (number or 0) else None
