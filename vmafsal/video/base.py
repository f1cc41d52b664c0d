"""The interface of every video source: facts when it is opened, then its frames, once."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, Self

from vmafsal.video.frame import Chroma, Frame

__all__ = ["STDIN", "Source", "SourceInfo", "label"]

STDIN = "-"
"""The path that means standard input."""


def label(path: str) -> str:
    """What a person calls the input: its path, or "standard input"."""
    return "standard input" if path == STDIN else path


@dataclass(frozen=True, slots=True)
class SourceInfo:
    """What is known of a video before its first frame is read."""

    path: str
    """As the user gave it; "-" is standard input."""

    kind: Literal["raw", "y4m", "container"]
    """How the file is laid out."""

    width: int
    """In pixels, as stored (rotation is not applied)."""

    height: int
    """In pixels, as stored."""

    chroma: Chroma
    """Layout of the frames that come out."""

    bit_depth: int
    """Bits per sample of the frames that come out: 8 to 16."""

    fps: float | None = None
    """Average frame rate, or None where the file does not say."""

    matrix: str | None = None
    """The stream's tag: "bt709", "bt601", "bt2020", or None where it has none."""

    full_range: bool | None = None
    """The stream's tag: True full, False limited, None untagged."""

    transfer: str | None = None
    """Transfer characteristics that are named to the user: "pq", "hlg", else None."""

    codec: str | None = None
    """ffmpeg's name of the codec; None for raw video."""

    size_bytes: int | None = None
    """Size of the file, or None for a pipe."""

    frame_estimate: int | None = None
    """Number of frames by the container's header, which may be wrong: for progress bars only."""


class Source(ABC):
    """One video: its facts, its frames in presentation order, and notices about it."""

    def __init__(self, info: SourceInfo) -> None:
        self.info = info
        self.notices: list[str] = []
        """Whole sentences for the user; more may come while frames are read."""
        self.truncated = False
        """True once it is known that the file ends before its last frame is whole."""
        self.hwaccel = "none"
        """"cuda" where a GPU decodes, in ffmpeg's words."""
        self._used = False

    @property
    def files(self) -> list[str]:
        """The files that it reads, which no output may replace."""
        return [] if self.info.path == STDIN else [self.info.path]

    def frames(self, *, start: int = 0, stop: int | None = None, step: int = 1) -> Iterator[Frame]:
        """The frames start, start + step, ... below stop, as range() would count them.

        A source is read once: a second call raises ValueError.

        Args:
            start: position in the file of the first frame, from 0.
            stop: position in the file before which to end; None is the end of the file.
            step: take every step-th frame from `start` on.
        Yields:
            Frames whose `index` is position - start (so a multiple of step). A picture that
            could not be decoded comes as a gap, a Frame without planes.
        Raises:
            InputError: if the file cannot be read to its end, as a sentence for the user.
        """
        if start < 0 or step < 1:
            raise ValueError(f"start {start} must be at least 0 and step {step} at least 1.")
        if self._used:
            raise ValueError("The frames of a source are read once; open it again.")
        self._used = True
        return self._read(start, stop, step)

    @abstractmethod
    def _read(self, start: int, stop: int | None, step: int) -> Iterator[Frame]:
        """The generator behind frames()."""

    @abstractmethod
    def count(self) -> int | None:
        """Number of frames in the file, without decoding a pixel.

        Returns:
            None where that cannot be known before the end (pipes, field-coded streams).
        Raises:
            InputError: if the file cannot be read.
        """

    @abstractmethod
    def position_at(self, seconds: float) -> int:
        """Position of the first frame whose presentation time is at least `seconds`.

        Frames may be read afterwards, with it as their `start` or `stop`.

        Args:
            seconds: from the first picture of the video.
        Returns:
            Number of frames where the video ends before that, or more where it is not known.
        Raises:
            InputError: if the video has no time stamps and no frame rate.
        """

    @abstractmethod
    def close(self) -> None:
        """Close the file. May be called more than once."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()
