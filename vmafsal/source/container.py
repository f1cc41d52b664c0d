"""Y4M and containers, decoded by PyAV: every picture once, in presentation order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from vmafsal.errors import InputError
from vmafsal.frame import Frame
from vmafsal.source.base import Source, SourceInfo, label
from vmafsal.source.files import ByteInput
from vmafsal.source.pixels import PixelLayout, pixel_layout, planes_of

if TYPE_CHECKING:
    from av import VideoFrame
    from av.container import InputContainer
    from av.video.stream import VideoStream

__all__ = ["ContainerSource"]

_MATRICES = {1: "bt709", 5: "bt601", 6: "bt601", 9: "bt2020"}
"""AVColorSpace: bt709, bt470bg and smpte170m (the same matrix), bt2020nc."""

_OTHER_MATRICES = {
    4: "FCC",
    7: "SMPTE 240M",
    8: "YCgCo",
    10: "BT.2020 constant luminance",
    11: "SMPTE 2085",
    12: "chromaticity-derived",
    13: "chromaticity-derived constant luminance",
    14: "ICtCp",
    15: "IPT-C2",
    16: "YCgCo-R",
    17: "YCgCo-R",
}
_RANGES = {1: False, 2: True}
_TRANSFERS = {16: "pq", 18: "hlg"}
"""AVColorTransferCharacteristic: SMPTE ST 2084, ARIB STD-B67."""


class ContainerSource(Source):
    """One video stream of a container, or a Y4M file."""

    def __init__(self, source: ByteInput, stream: int | None = None) -> None:
        self._source = source
        self._wanted_stream = stream
        self._container = _open(source)
        self._stream = _choose_stream(self._container, source.path, stream)
        _, info = _facts(self._stream, self._container, source)
        super().__init__(info)

    def count(self) -> int | None:
        if self._source.size is None:
            return None
        container = _open(self._source)
        stream = _choose_stream(container, self.info.path, self._wanted_stream)
        with container:
            return sum(1 for packet in container.demux(stream) if packet.size)

    def _read(self, start: int, stop: int | None, step: int) -> Iterator[Frame]:
        position = 0
        pictures = self._pictures()
        while stop is None or position < stop:
            picture = next(pictures, None)
            if picture is None:
                break
            if position >= start and (position - start) % step == 0:
                yield self._frame(picture, position - start)
            position += 1

    def _pictures(self) -> Iterator[VideoFrame]:
        self._stream.thread_type = "AUTO"
        for packet in self._container.demux(self._stream):
            if packet.size:
                yield from self._stream.decode(packet)
        yield from self._stream.decode(None)

    def _frame(self, picture: VideoFrame, index: int) -> Frame:
        layout = _layout(picture.format.name, self.info.path)
        return Frame(
            planes_of(picture, layout),
            layout.chroma,
            layout.bits,
            index,
            matrix=_MATRICES.get(picture.colorspace),
            full_range=True if layout.full_range else _RANGES.get(picture.color_range),
        )

    def close(self) -> None:
        self._container.close()
        self._source.close()


def _open(source: ByteInput) -> InputContainer:
    import av

    try:
        if source.size is None:
            return av.open(source, "r", buffer_size=1 << 20)
        return av.open(f"file:{source.path}", "r")
    except av.error.FFmpegError as error:
        raise InputError(f"{label(source.path)} cannot be read: {error}") from error


def _choose_stream(container: InputContainer, path: str, wanted: int | None) -> VideoStream:
    from av.stream import Disposition

    streams = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    if not streams:
        raise InputError(f"{label(path)} holds no video.")
    return streams[wanted or 0]


def _layout(pixel_format: str | None, path: str) -> PixelLayout:
    layout = pixel_layout(pixel_format) if pixel_format else None
    if layout is None:
        raise InputError(f"{label(path)}: pixel format {pixel_format} is not read.")
    return layout


def _facts(
    stream: VideoStream, container: InputContainer, source: ByteInput
) -> tuple[PixelLayout, SourceInfo]:
    context = stream.codec_context
    layout = _layout(context.pix_fmt, source.path)
    rate = stream.average_rate or stream.guessed_rate
    return layout, SourceInfo(
        path=source.path,
        kind="y4m" if container.format.name == "yuv4mpegpipe" else "container",
        width=context.width,
        height=context.height,
        chroma=layout.chroma,
        bit_depth=layout.bits,
        fps=float(rate) if rate else None,
        matrix=_MATRICES.get(context.colorspace),
        full_range=True if layout.full_range else _RANGES.get(context.color_range),
        transfer=_TRANSFERS.get(context.color_trc),
        codec=context.name,
        size_bytes=source.size,
    )
