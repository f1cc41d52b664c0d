"""Pixel formats: from ffmpeg's layouts of samples to planes, without changing a sample."""

from __future__ import annotations

import ctypes
import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vmafsal.video.frame import Chroma, chroma_size

if TYPE_CHECKING:
    from av import VideoFrame
    from av.video.plane import VideoPlane

__all__ = ["PixelLayout", "pixel_layout", "planes_of", "readable_format"]


@dataclass(frozen=True, slots=True)
class Component:
    """Where the samples of one component (Y, U, V, R, G or B) are stored."""

    plane: int
    step: int = 1
    """Words from one sample to the next."""
    offset: int = 0
    """Words before the first sample of a row."""
    shift: int = 0
    """Bits below the sample in its word."""
    bits: int | None = None
    """Bits of the sample where they are fewer than the frame's: it is then scaled, so that the
    largest value stays the largest."""


@dataclass(frozen=True, slots=True)
class PixelLayout:
    """How one of ffmpeg's pixel formats becomes the planes of a Frame."""

    chroma: Chroma
    """Format of the frames that come out."""

    bits: int
    """Bits per sample."""

    word: str
    """numpy type of the word that holds a sample."""

    components: tuple[Component, ...]
    """(Y, U, V), (Y,) or (R, G, B)."""

    stored_shift: tuple[int, int] | None = None
    """(vertical, horizontal) chroma shift in the file where that is coarser than `chroma`:
    those samples are repeated, as replicating them to full size would do anyway."""

    full_range: bool = False
    """True for the yuvj formats, full range by definition."""


_SUBSAMPLING: dict[str, tuple[Chroma, tuple[int, int] | None]] = {
    "420": ("420", None),
    "422": ("422", None),
    "444": ("444", None),
    "411": ("422", (0, 2)),
    "410": ("420", (2, 2)),
    "440": ("444", (1, 0)),
}

_PLANAR_YUV = re.compile(r"yuv(?P<full>j?)a?(?P<sub>4\d\d)p(?P<bits>\d*)(?P<msb>msb)?")
_PLANAR_RGB = re.compile(r"gbra?p(?P<bits>\d*)(?P<msb>msb)?")
_GRAY = re.compile(r"(?P<kind>gray|ya)(?P<bits>\d*)(?P<msb>msb)?")

_SEMI_PLANAR: dict[str, tuple[str, Chroma, int, int]] = {
    "nv12": ("uv", "420", 8, 0),
    "nv21": ("vu", "420", 8, 0),
    "nv16": ("uv", "422", 8, 0),
    "nv20": ("uv", "422", 10, 0),
    "nv24": ("uv", "444", 8, 0),
    "nv42": ("vu", "444", 8, 0),
    "p010": ("uv", "420", 10, 6),
    "p012": ("uv", "420", 12, 4),
    "p016": ("uv", "420", 16, 0),
    "p210": ("uv", "422", 10, 6),
    "p212": ("uv", "422", 12, 4),
    "p216": ("uv", "422", 16, 0),
    "p410": ("uv", "444", 10, 6),
    "p412": ("uv", "444", 12, 4),
    "p416": ("uv", "444", 16, 0),
}
"""name: (order in the chroma plane, chroma, bits, shift)."""

_PACKED: dict[str, tuple[str, Chroma, int, int]] = {
    "yuyv422": ("yuyv", "422", 8, 0),
    "yvyu422": ("yvyu", "422", 8, 0),
    "uyvy422": ("uyvy", "422", 8, 0),
    "y210": ("yuyv", "422", 10, 6),
    "y212": ("yuyv", "422", 12, 4),
    "y216": ("yuyv", "422", 16, 0),
    "vyu444": ("vyu", "444", 8, 0),
    "vuya": ("vuya", "444", 8, 0),
    "vuyx": ("vuyx", "444", 8, 0),
    "ayuv": ("ayuv", "444", 8, 0),
    "uyva": ("uyva", "444", 8, 0),
    "ayuv64": ("ayuv", "444", 16, 0),
    "xv36": ("uyvx", "444", 12, 4),
    "xv48": ("uyvx", "444", 16, 0),
    **{name: (name[:3], "rgb", 8, 0) for name in ("rgb24", "bgr24")},
    **{name: (name[:3], "rgb", 16, 0) for name in ("rgb48", "bgr48")},
    **{name: (name[:4], "rgb", 16, 0) for name in ("rgba64", "bgra64")},
    **{name: (name, "rgb", 8, 0) for name in ("rgba", "bgra", "argb", "abgr")},
    **{name: (name, "rgb", 8, 0) for name in ("rgb0", "bgr0", "0rgb", "0bgr")},
}
"""name: (order of the words, chroma, bits, shift)."""

_SHORT_RGB: dict[str, tuple[int, int, int]] = {
    "565": (5, 6, 5),
    "555": (5, 5, 5),
    "444": (4, 4, 4),
    "8": (3, 3, 2),
    "4_byte": (1, 2, 1),
}
"""name without the order of its components: bits of each, from the highest of the word down."""

_WORDS_32: dict[str, tuple[Chroma, tuple[int, int, int]]] = {
    "x2rgb10le": ("rgb", (20, 10, 0)),
    "x2bgr10le": ("rgb", (0, 10, 20)),
    "xv30le": ("444", (10, 0, 20)),
    "v30xle": ("444", (12, 2, 22)),
}
"""Three samples of 10 bits in a 32-bit word. name: (chroma, shifts)."""


@cache
def pixel_layout(name: str) -> PixelLayout | None:
    """The layout of a pixel format, or None where its samples are not plain YUV, gray or RGB.

    Args:
        name: ffmpeg's name, for example "yuv420p10le".
    Source: libavutil/pixdesc.c (offsets and shifts of the components).
    """
    if name in _WORDS_32:
        chroma, shifts = _WORDS_32[name]
        parts = tuple(Component(0, shift=shift) for shift in shifts)
        return PixelLayout(chroma, 10, "<u4", parts)
    base, end = (name[:-2], name[-2:]) if name.endswith(("le", "be")) else (name, "")
    word = {"le": "<u2", "be": ">u2", "": "u1"}[end]
    if base[:3] in {"rgb", "bgr"} and base[3:] in _SHORT_RGB:
        return _short_rgb(base, word)
    if base in _SEMI_PLANAR:
        order, chroma, bits, shift = _SEMI_PLANAR[base]
        chroma_parts = tuple(Component(1, 2, order.index(letter), shift) for letter in "uv")
        return PixelLayout(chroma, bits, word, (Component(0, shift=shift), *chroma_parts))
    if base in _PACKED:
        order, chroma, bits, shift = _PACKED[base]
        letters = "rgb" if chroma == "rgb" else "yuv"
        parts = tuple(
            Component(0, len(order) // order.count(letter), order.index(letter), shift)
            for letter in letters
        )
        return PixelLayout(chroma, bits, word, parts)
    return _planar(base, word)


def _short_rgb(base: str, word: str) -> PixelLayout:
    """Layouts of RGB whose three samples share one or two bytes."""
    bits = _SHORT_RGB[base[3:]]
    if base == "bgr8":
        bits = (2, 3, 3)  # blue has two bits wherever it stands
    parts = {}
    shift = sum(bits)
    for letter, count in zip(base[:3], bits, strict=True):
        shift -= count
        parts[letter] = Component(0, shift=shift, bits=count)
    return PixelLayout("rgb", 8, word, tuple(parts[letter] for letter in "rgb"))


def _planar(base: str, word: str) -> PixelLayout | None:
    """Layouts whose components have a plane each, and gray."""
    match = _PLANAR_YUV.fullmatch(base) or _PLANAR_RGB.fullmatch(base) or _GRAY.fullmatch(base)
    if match is None:
        return None
    bits = int(match["bits"] or 8)
    # Float and 32-bit formats share these names; their samples fit no Frame.
    if bits > 16 or (bits > 8) != (word != "u1"):
        return None
    shift = 16 - bits if match["msb"] else 0
    if match.re is _GRAY:
        step = 2 if match["kind"] == "ya" else 1
        return PixelLayout("400", bits, word, (Component(0, step, shift=shift),))
    if match.re is _PLANAR_RGB:
        # Stored as G, B, R.
        return PixelLayout("rgb", bits, word, tuple(Component(p, shift=shift) for p in (2, 0, 1)))
    if match["sub"] not in _SUBSAMPLING:
        return None
    chroma, stored = _SUBSAMPLING[match["sub"]]
    parts = tuple(Component(plane, shift=shift) for plane in range(3))
    return PixelLayout(chroma, bits, word, parts, stored, bool(match["full"]))


@cache
def readable_format(name: str) -> str | None:
    """The format itself if it has a layout, else the one that swscale has to make of it first.

    Args:
        name: ffmpeg's name.
    Returns:
        gray for bit maps; gbrp or gbrp16le for palettes, Bayer, XYZ, float and low-depth RGB;
        None for what is neither.
    """
    from av.video.format import VideoFormat

    if pixel_layout(name) is not None:
        return name
    pixels = VideoFormat(name)
    if name.startswith("mono"):
        return "gray"
    if pixels.is_rgb or pixels.has_palette or pixels.is_bayer or name.startswith("xyz"):
        # Bayer formats state the bits of a whole cell of four.
        deep = name.startswith("bayer_") and pixels.bits_per_pixel > 8
        deep = deep or any(part.bits > 8 for part in pixels.components)
        return "gbrp16le" if deep else "gbrp"
    return "gray16le" if name.startswith("grayf") else None


def planes_of(picture: VideoFrame, layout: PixelLayout) -> tuple[NDArray[Any], ...]:
    """The planes of a decoded picture, in Frame's layout.

    Planar formats come as views of ffmpeg's own memory, line padding included (the arrays keep
    the picture alive); interleaved, big-endian and shifted samples are copied.

    Args:
        picture: a decoded picture whose format has the layout.
        layout: from pixel_layout().
    Returns:
        One uint8 or uint16 [height, width] array a component.
    """
    height, width = picture.height, picture.width
    rows = {part.plane: _rows(picture.planes[part.plane], layout) for part in layout.components}
    planes = []
    for number, part in enumerate(layout.components):
        size = (height, width)
        if number and layout.chroma != "rgb":
            size = _stored_chroma(height, width, layout)
        plane = _samples(rows[part.plane], part, size, layout.bits)
        if number and layout.stored_shift is not None:
            plane = _repeated(plane, chroma_size(height, width, layout.chroma))
        planes.append(plane)
    return tuple(planes)


def _stored_chroma(height: int, width: int, layout: PixelLayout) -> tuple[int, int]:
    if layout.stored_shift is None:
        return chroma_size(height, width, layout.chroma)
    down, right = layout.stored_shift
    return -(-height >> down), -(-width >> right)


def _rows(plane: VideoPlane, layout: PixelLayout) -> NDArray[Any]:
    """All words of one plane: [rows, words a line], line padding included."""
    line = plane.line_size
    if line > 0:
        buffer: Any = plane
        rows = np.frombuffer(buffer, np.uint8).reshape(-1, line)
    else:
        # Stored bottom up: the pointer is at the first row, the others lie before it in memory.
        line = -line
        last = plane.buffer_ptr - line * (plane.height - 1)
        memory: Any = (ctypes.c_uint8 * (line * plane.height)).from_address(last)
        # Copied, because this array would not keep the picture alive.
        rows = np.frombuffer(memory, np.uint8).reshape(-1, line)[::-1].copy()
    whole = line - line % np.dtype(layout.word).itemsize
    words: NDArray[Any] = rows[:, :whole].view(layout.word)
    return words


def _samples(rows: NDArray[Any], part: Component, size: tuple[int, int], bits: int) -> NDArray[Any]:
    """The samples of one component: uint8 or uint16 [height, width]."""
    height, width = size
    samples = rows[:height, part.offset :: part.step][:, :width]
    dtype = np.dtype(np.uint8 if bits <= 8 else np.uint16)
    if part.bits is not None:
        largest = (1 << part.bits) - 1
        scaled = (np.arange(largest + 1) * ((1 << bits) - 1) + largest // 2) // largest
        levels: NDArray[Any] = scaled.astype(dtype)[(samples >> part.shift) & largest]
        return levels
    if part.shift or samples.dtype.itemsize > dtype.itemsize:
        return ((samples >> part.shift) & ((1 << bits) - 1)).astype(dtype)
    if part.step > 1 or samples.dtype != dtype:
        return samples.astype(dtype)
    return samples


def _repeated(plane: NDArray[Any], size: tuple[int, int]) -> NDArray[Any]:
    """A plane with its samples repeated until it has the size."""
    height, width = size
    if plane.shape[0] < height:
        plane = plane.repeat(2, axis=0)
    if plane.shape[1] < width:
        plane = plane.repeat(2, axis=1)
    return plane[:height, :width]
