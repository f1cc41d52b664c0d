"""Y4M: a line that describes the frames, then each frame behind a line of its own."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vmafsal.errors import InputError
from vmafsal.video.base import SourceInfo, label
from vmafsal.video.files import ByteInput
from vmafsal.video.frame import Chroma, Frame
from vmafsal.video.planar import PlanarLayout, PlanarSource, planar_frame

__all__ = ["Y4mSource"]

_LONGEST_HEADER = 1 << 14
"""Bytes; programs write their comments into the header."""

_MARKER = b"FRAME\n"

_FORMAT = re.compile(
    r"(?P<sub>mono|420|422|444|411)(?P<kind>jpeg|mpeg2|paldv|alpha)?p?(?P<bits>\d*)"
)
"""The value of the C tag, or of XYSCSS in lower case."""

_CHROMAS: dict[str, Chroma] = {
    "mono": "400",
    "420": "420",
    "422": "422",
    "444": "444",
    "411": "422",
}


@dataclass(frozen=True, slots=True)
class _Header:
    """What the first line of a Y4M file says."""

    length: int
    """Bytes of the line."""
    layout: PlanarLayout
    """Of the frames that come out."""
    narrow: bool = False
    """Chroma is stored for every fourth column (4:1:1), and repeated to 4:2:2."""
    alpha: bool = False
    """A fourth plane follows, which is ignored."""
    fps: float | None = None
    full_range: bool | None = None
    interlaced: bool = False

    @property
    def frame_bytes(self) -> int:
        """Bytes of the samples of one frame in the file."""
        layout = self.layout
        if self.narrow:
            return layout.height * (layout.width + 2 * self.narrow_width)
        planes = layout.width * layout.height if self.alpha else 0
        return layout.frame_bytes + planes * (2 if layout.bit_depth > 8 else 1)

    @property
    def narrow_width(self) -> int:
        """Columns of a 4:1:1 chroma plane."""
        return (self.layout.width + 3) // 4


class Y4mSource(PlanarSource):
    """A Y4M file, named pipe or standard input."""

    def __init__(self, source: ByteInput, framerate: float | None = None) -> None:
        """
        Args:
            source: what open_bytes() opened.
            framerate: frames per second, for a header that does not state them.
        Raises:
            InputError: if its header cannot be read.
        """
        self._header = header = _read_header(source)
        layout = header.layout
        info = SourceInfo(
            path=source.path,
            kind="y4m",
            width=layout.width,
            height=layout.height,
            chroma=layout.chroma,
            bit_depth=layout.bit_depth,
            fps=header.fps or framerate,
            full_range=header.full_range,
            codec="rawvideo",
            size_bytes=source.size,
        )
        super().__init__(source, info, header.frame_bytes)
        if header.interlaced:
            self.notices.append(
                f"{self._name} is interlaced; its pictures are scored as whole frames."
            )
        if source.is_regular:
            source.skip_to(header.length)
        else:
            source.fill(memoryview(bytearray(header.length)))

    def count(self) -> int | None:
        """Number of whole frames; None for a pipe."""
        size = self.info.size_bytes
        if size is None:
            return None
        frames, rest = divmod(size - self._header.length, self._frame_bytes + len(_MARKER))
        if rest == 0:
            return frames
        # Markers may be longer, or the last frame cut.
        count, here = 0, self._source.position
        while self._find_frame(count) and self._source.position + self._frame_bytes <= size:
            self._source.skip_to(self._source.position + self._frame_bytes)
            count += 1
        self._source.skip_to(here)
        return count

    def _skip(self, position: int, start: int, step: int) -> int:
        del start, step
        if not self._begin_frame(position):
            return position
        here, size = self._source.position, self.info.size_bytes or 0
        if here + self._frame_bytes > size:
            self._end(position, size - here)
            return position
        self._source.skip_to(here + self._frame_bytes)
        return position + 1

    def _begin_frame(self, position: int) -> bool:
        found = self._find_frame(position)
        if not found and position == 0:
            raise InputError(f"{self._name} holds no frame behind its header.")
        return found

    def _find_frame(self, position: int) -> bool:
        """Read the line before a frame; False at the end."""
        self._marker = bytearray(len(_MARKER))
        got = self._source.fill(memoryview(self._marker))
        if got == 0:
            return False
        if got < len(_MARKER):
            del self._marker[got:]
            if _MARKER.startswith(self._marker):
                self._cut_short(position, got)
                return False
        elif self._marker[:5] == _MARKER[:5] and self._read_parameters():
            return True
        self._check_unchanged()
        size, here = self.info.size_bytes, self._source.position
        rest = "" if size is None else f", though {size - here + got:,} bytes do"
        raise InputError(
            f"{self._name} is damaged: after {position:,} frames no frame marker follows{rest}. "
            "Get a whole copy of it."
        )

    def _read_parameters(self) -> bool:
        """Read to the end of the line before a frame; False if it is none."""
        while self._marker[-1:] != b"\n":
            more = self._source.read(1)
            if not more or len(self._marker) > _LONGEST_HEADER or self._marker[5:6] != b" ":
                return False
            self._marker += more
        return True

    def _end(self, position: int, rest: int) -> None:
        if position == 0:
            raise InputError(
                f"{self._name} holds no whole frame: {rest:,} of {self._frame_bytes:,} bytes. "
                "Get a whole copy of it."
            )
        self._cut_short(position, rest + len(self._marker))

    def _frame(self, samples: NDArray[np.uint8], index: int, time: float | None) -> Frame:
        header = self._header
        if header.narrow:
            frame = self._widened(samples, index, time)
        else:
            frame = planar_frame(samples, header.layout, index, time)
        return replace(frame, full_range=header.full_range)

    def _widened(self, samples: NDArray[np.uint8], index: int, time: float | None) -> Frame:
        height, width = self._header.layout.height, self._header.layout.width
        narrow = self._header.narrow_width
        luma, u, v = np.split(samples, [height * width, height * (width + narrow)])
        chroma = [
            plane.reshape(height, narrow).repeat(2, axis=1)[:, : (width + 1) // 2]
            for plane in (u, v)
        ]
        return Frame((luma.reshape(height, width), *chroma), "422", 8, index, time=time)


def _read_header(source: ByteInput) -> _Header:
    """The first line.

    Raises:
        InputError: if it is not there, or says what is not read.
    Source: mjpegtools, yuv4mpeg(5); the tags beyond 8 bits are ffmpeg's.
    """
    name = label(source.path)
    head = source.head if b"\n" in source.head else source.look(_LONGEST_HEADER)
    line, end, _ = head.partition(b"\n")
    if not end:
        raise InputError(f"{name} is damaged: its header does not end. Get a whole copy of it.")
    tags: dict[str, str] = {}
    for word in line.decode("latin-1").split(" ")[1:]:
        if word.startswith("X"):
            key, _, value = word[1:].partition("=")
            tags.setdefault(f"X{key}", value)
        elif word:
            tags[word[0]] = word[1:]
    sides = [int(tags[key]) if tags.get(key, "").isdecimal() else 0 for key in "WH"]
    if not all(0 < side <= 1 << 16 for side in sides):
        raise InputError(f"{name} is damaged: its header does not tell the size of its pictures.")
    stated = tags.get("C") or tags.get("XYSCSS", "").lower() or "420"
    known = _FORMAT.fullmatch(stated)
    bits = int(known["bits"] or 8) if known else 0
    if known is None or not 8 <= bits <= 16 or (known["sub"] == "411" and bits > 8):
        raise InputError(
            f"{name} has the pixel format {stated}, which is not read. Convert it first, for "
            "example with ffmpeg -pix_fmt yuv420p."
        )
    rate = re.fullmatch(r"(\d+):(\d+)", tags.get("F", ""))
    return _Header(
        length=len(line) + 1,
        layout=PlanarLayout(sides[0], sides[1], _CHROMAS[known["sub"]], bits),
        narrow=known["sub"] == "411",
        alpha=known["kind"] == "alpha",
        fps=int(rate[1]) / int(rate[2]) or None if rate and int(rate[2]) else None,
        full_range={"FULL": True, "LIMITED": False}.get(tags.get("XCOLORRANGE", "")),
        interlaced=tags.get("I", "p")[:1] in {"t", "b", "m"},
    )
