"""libx264 and libx265 through PyAV: settings, and pictures in with regions of interest."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np
from numpy.typing import NDArray

from vmafsal.errors import InputError, UsageError
from vmafsal.roi.mapping import BlockGrid
from vmafsal.roi.rectangles import rectangles
from vmafsal.roi.regions import Regions
from vmafsal.video.base import SourceInfo, label
from vmafsal.video.frame import Frame

if TYPE_CHECKING:
    from av import Packet, VideoFrame
    from av.container import OutputContainer
    from av.video.stream import VideoStream

__all__ = ["BLOCK", "CODECS", "PRESETS", "TIME_BASE", "Encoder", "Encoding", "Pass", "Shape"]

BLOCK = 16
"""Side of a block whose QP the encoders take, in pixels."""

CODECS = ("libx264", "libx265")

PRESETS = ("ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower",
           "veryslow", "placebo")  # fmt: skip

TIME_BASE = Fraction(1, 90_000)
"""Of pictures, in seconds."""

Pass = Literal[0, 1, 2]
"""0 is the only pass; 1 collects statistics, and 2 spends bits by them."""

_OWN = ("crf", "b", "preset", "flags", "pass", "stats")
# Options that have an option of their own, or would undo one.

_FORMATS = {"400": "gray", "420": "yuv420p", "422": "yuv422p", "444": "yuv444p"}


@dataclass(frozen=True, slots=True)
class Encoding:
    """How to encode."""

    codec: str
    crf: float | None = None
    """Constant rate factor; or else a bitrate."""
    bitrate: int | None = None
    """Bits per second, met by two passes."""
    preset: str = "medium"
    options: Mapping[str, str] = field(default_factory=dict)
    """More of the encoder's own, in ffmpeg's words."""

    def __post_init__(self) -> None:
        if self.codec not in CODECS:
            raise UsageError(_no_codec(self.codec))
        if (self.crf is None) == (self.bitrate is None):
            raise UsageError("Give either --crf or --bitrate: for example --crf 26.")
        if self.crf is not None and not 0 <= self.crf <= 51:
            raise UsageError(f"--crf is a number from 0 to 51, not {self.crf:g}.")
        if self.bitrate is not None and self.bitrate < 1000:
            raise UsageError(
                f"--bitrate {self.bitrate} is less than 1 kb/s. Write k or M behind it: 800k."
            )
        if self.preset not in PRESETS:
            raise UsageError(f"There is no preset {self.preset}. Choose {', '.join(PRESETS)}.")
        for name in set(self.options) & {"qp", "cqp"}:
            raise UsageError(
                f"--codec-option {name}: a constant QP leaves regions of interest without effect. "
                "Use --crf or --bitrate."
            )
        for name in set(self.options) & set(_OWN):
            raise UsageError(f"--codec-option {name} would undo --crf, --bitrate or --preset.")


def _no_codec(codec: str) -> str:
    choose = f"Choose {' or '.join(CODECS)}"
    if "av1" in codec:
        return (
            f"{codec} ignores regions of interest that come through ffmpeg. {choose}, or write a "
            "file for SvtAv1EncApp: --encoder svt-av1 -o clip.roi.txt"
        )
    return f"There is no codec {codec} here. {choose}."


@dataclass(frozen=True, slots=True)
class Shape:
    """The pictures of a video, as an encoder has to know them."""

    width: int
    height: int
    pixel_format: str
    """ffmpeg's name."""
    bit_depth: int
    rate: Fraction
    """Frames per second."""
    tags: Mapping[str, Any] = field(default_factory=dict)
    """Colour and sample aspect ratio, by their names in PyAV's codec context."""

    @classmethod
    def of(cls, info: SourceInfo, codec: str, tags: Mapping[str, Any]) -> Shape:
        """The shape of a source.

        Args:
            info: of the source.
            codec: that is to encode it.
            tags: see Shape.
        Raises:
            InputError: if the codec does not take such pictures.
        """
        from av.codec import Codec

        name = _FORMATS.get(info.chroma, info.chroma)
        if info.bit_depth > 8:
            name += f"{info.bit_depth}le"
        taken = [pixels.name for pixels in Codec(codec, "w").video_formats or ()]
        if name not in taken:
            raise InputError(
                f"{codec} does not take {label(info.path)}, which is {info.chroma} of "
                f"{info.bit_depth} bits. Convert it first, for example with "
                "ffmpeg -pix_fmt yuv420p."
            )
        odd = (info.chroma in ("420", "422") and info.width % 2) or (
            info.chroma == "420" and info.height % 2
        )
        if odd:
            raise InputError(
                f"{label(info.path)} is {info.width}x{info.height}, and {codec} takes "
                f"{info.chroma} pictures of even sides alone. Crop it by one pixel first."
            )
        rate = Fraction(info.fps or 25).limit_denominator(1001)
        return cls(info.width, info.height, name, info.bit_depth, rate, tags)


class Encoder:
    """One video stream of a container that is being written."""

    def __init__(
        self,
        container: OutputContainer,
        shape: Shape,
        encoding: Encoding,
        number: Pass = 0,
        statistics: str = "",
    ) -> None:
        """Open the encoder.

        Args:
            container: to which the stream is added.
            shape: of the pictures.
            encoding: how to encode.
            number: which pass.
            statistics: file that pass 1 writes and pass 2 reads.
        Raises:
            UsageError: if the encoder does not take the settings.
        """
        import av

        self._shape = shape
        self._grid = BlockGrid(shape.width, shape.height, BLOCK)
        self._regions = Regions(shape.width, shape.height, shape.pixel_format, shape.bit_depth)
        self._stream = cast("VideoStream", container.add_stream(encoding.codec, rate=shape.rate))
        context = self._stream.codec_context
        context.width, context.height = shape.width, shape.height
        context.pix_fmt, context.time_base = shape.pixel_format, TIME_BASE
        for name, value in shape.tags.items():
            setattr(context, name, value)
        if encoding.bitrate is not None:
            context.bit_rate = encoding.bitrate
        context.options = _options(encoding, number, statistics)
        if encoding.codec == "libx264" and number:
            flags = av.codec.context.Flags
            context.flags |= flags.pass1 if number == 1 else flags.pass2
        try:
            _check_parameters(encoding, context.open)
        except (av.error.FFmpegError, ValueError) as error:
            if number == 2 and encoding.bitrate is not None:
                raise UsageError(
                    f"{encoding.codec} cannot keep this video within {encoding.bitrate / 1000:g} "
                    "kb/s. Give a higher --bitrate, or --crf."
                ) from error
            raise UsageError(
                f"{encoding.codec} does not take these settings: {encoding.preset}, "
                f"{_in_words(encoding.options) or 'no further options'}."
            ) from error
        unknown = [name for name in context.options if name in encoding.options]
        if unknown:
            raise UsageError(f"{encoding.codec} has no option {unknown[0]}.")
        self._last_pts = -1
        self._next_index = 0
        self._last: VideoFrame | None = None

    def __call__(self, frame: Frame, offsets: NDArray[np.int8] | None) -> Iterator[Packet[Any]]:
        """Encode the next frame.

        A frame that is missing before it is encoded as the one before that.

        Args:
            frame: with planes.
            offsets: of its blocks, in QP; None or zeros attach no region.
        Yields:
            packets to mux.
        """
        picture = self._picture(frame)
        time = frame.index / self._shape.rate if frame.time is None else frame.time
        pts = round(time / TIME_BASE)
        missing = frame.index - self._next_index
        for number in range(missing):
            filler = self._last or picture
            between = self._last_pts + (pts - self._last_pts) * (number + 1) // (missing + 1)
            yield from self._encode(filler, between, offsets)
        yield from self._encode(picture, pts, offsets)
        self._last, self._next_index = picture, frame.index + 1

    def flush(self) -> Iterator[Packet[Any]]:
        """The packets that are left."""
        yield from self._stream.encode()

    def _encode(
        self, picture: VideoFrame, pts: int, offsets: NDArray[np.int8] | None
    ) -> Iterator[Packet[Any]]:
        from av.video.frame import PictureType

        picture.pts = self._last_pts = max(pts, self._last_pts + 1)
        picture.time_base = TIME_BASE
        if offsets is not None:
            picture = self._regions(picture, rectangles(offsets, self._grid))
        picture.pict_type = PictureType.NONE
        yield from self._stream.encode(picture)

    def _picture(self, frame: Frame) -> VideoFrame:
        from av import VideoFrame

        picture = VideoFrame(self._shape.width, self._shape.height, self._shape.pixel_format)
        for plane, samples in zip(picture.planes, frame.planes, strict=True):
            height, width = samples.shape
            memory: Any = plane
            rows = np.frombuffer(memory, samples.dtype).reshape(height, -1)
            rows[:, :width] = samples
        for name in ("color_range", "colorspace"):
            if name in self._shape.tags:
                setattr(picture, name, self._shape.tags[name])
        return picture


def _check_parameters(encoding: Encoding, open_encoder: Callable[[], object]) -> None:
    """Open an encoder, and refuse parameters of its own that it leaves out with a warning alone.

    Raises:
        UsageError: naming the parameter, as x264 or x265 does.
    """
    import av

    nested = f"{encoding.codec.removeprefix('lib')}-params"
    if nested not in encoding.options:
        open_encoder()
        return
    level = av.logging.get_level()
    av.logging.set_level(av.logging.WARNING)
    try:
        with av.logging.Capture() as said:
            open_encoder()
    finally:
        av.logging.set_level(level)
    for _, _, line in said:
        if line.startswith(("Error parsing option", "Unknown option", "Invalid value")):
            raise UsageError(
                f"{encoding.codec} does not take --codec-option {nested}="
                f"{encoding.options[nested]}: {line.strip().rstrip('.')}."
            )


def _options(encoding: Encoding, number: Pass, statistics: str) -> dict[str, str]:
    options = {"preset": encoding.preset, **encoding.options}
    if encoding.crf is not None:
        options["crf"] = f"{encoding.crf:g}"
    if encoding.codec == "libx264":
        if number:
            options["stats"] = statistics
        return options
    # x265 writes a page about itself, and takes passes among its own parameters alone.
    params = [*filter(None, [options.get("x265-params")]), "log-level=none"]
    if number:
        escaped = statistics.replace("\\", "\\\\").replace(":", "\\:")
        params += [f"pass={number}", f"stats={escaped}"]
    options["x265-params"] = ":".join(params)
    return options


def _in_words(options: Mapping[str, str]) -> str:
    return ", ".join(f"{name}={value}" for name, value in options.items())
