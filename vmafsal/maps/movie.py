"""Pictures as a video file that people look at: H.264 in MP4 or Matroska, without sound."""

from __future__ import annotations

from contextlib import suppress
from fractions import Fraction
from typing import Any, Self

from vmafsal.errors import OutputError
from vmafsal.maps.drawing import Picture

__all__ = ["FORMATS", "Movie", "has_audio"]

FORMATS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska"}
"""ffmpeg's name of a container, by the ending of a file."""

_TIME_BASE = Fraction(1, 90_000)  # MPEG's clock, which holds every common frame rate
_WIDEST = 16_384  # of libx264


class Movie:
    """A video that is written picture by picture. Use it as a context manager."""

    def __init__(
        self, path: str, container: str, height: int, width: int, fps: float, name: str
    ) -> None:
        """
        Args:
            path: of the file to write.
            container: one of FORMATS' values.
            height, width: of the pictures, in pixels.
            fps: frames a second.
            name: what the file will be called, for messages.
        Raises:
            OutputError: if the pictures are too large, or it cannot be written.
        """
        import av

        if max(height, width) > _WIDEST:
            raise OutputError(
                f"H.264 holds pictures of at most {_WIDEST} pixels a side, not {width}x{height}. "
                "Use --view overlay or map, or write PNG files."
            )
        self._name = name
        self._fps = fps
        self._last = -1
        # 4:2:0 has no odd sizes.
        self._format = "yuv444p" if height % 2 or width % 2 else "yuv420p"
        self._errors: Any = (av.error.FFmpegError, OSError)
        try:
            self._container = av.open(path, "w", format=container)
            rate = Fraction(fps).limit_denominator(100_000)
            self._stream: Any = self._container.add_stream("libx264", rate=rate)
        except self._errors as error:
            raise self._failure(error) from error
        context = self._stream.codec_context
        context.width, context.height, context.pix_fmt = width, height, self._format
        context.time_base = self._stream.time_base = _TIME_BASE
        context.options = {"crf": "18", "preset": "veryfast"}
        # 1: BT.709 (ITU-T H.273); 1: limited range.
        context.colorspace = context.color_primaries = context.color_trc = context.color_range = 1

    def add(self, picture: Picture, seconds: float | None) -> None:
        """Add a picture.

        Args:
            picture: uint8 [height, width, 3], RGB.
            seconds: its time from the first picture on; None puts it one frame after the last.
        Raises:
            OutputError: if it cannot be written.
        """
        from av import VideoFrame
        from av.video.reformatter import ColorRange, Colorspace

        step = round(1 / self._fps / _TIME_BASE)
        wanted = self._last + step if seconds is None else round(seconds / _TIME_BASE)
        self._last = max(wanted, 0) if self._last < 0 else max(wanted, self._last + 1)
        frame = VideoFrame.from_ndarray(picture, format="rgb24").reformat(
            format=self._format,
            dst_colorspace=Colorspace.ITU709,
            dst_color_range=ColorRange.MPEG,
        )
        frame.pts, frame.time_base = self._last, _TIME_BASE
        try:
            self._container.mux(self._stream.encode(frame))
        except self._errors as error:
            raise self._failure(error) from error

    def finish(self) -> None:
        """Write what the encoder still holds, and the end of the file.

        Raises:
            OutputError: if it cannot be written.
        """
        try:
            self._container.mux(self._stream.encode(None))
            self._container.close()
        except self._errors as error:
            raise self._failure(error) from error

    def _failure(self, error: Exception) -> OutputError:
        reason = getattr(error, "strerror", None) or error
        return OutputError(f"{self._name} cannot be written: {reason}.")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        with suppress(*self._errors):
            self._container.close()


def has_audio(path: str) -> bool:
    """Whether a video file has sound.

    Args:
        path: of a container.
    """
    import av

    try:
        with av.open(
            f"file:{path}",
            metadata_errors="replace",
            container_options={"protocol_whitelist": "file"},
        ) as container:
            return bool(container.streams.audio)
    except (av.error.FFmpegError, OSError):
        return False
