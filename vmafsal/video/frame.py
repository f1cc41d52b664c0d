"""Frame: one decoded picture, its planes as stored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["CHROMA_SHIFT", "Chroma", "Frame", "chroma_size"]

Chroma = Literal["420", "422", "444", "400", "rgb"]

CHROMA_SHIFT: dict[Chroma, tuple[int, int]] = {
    "420": (1, 1),
    "422": (0, 1),
    "444": (0, 0),
    "rgb": (0, 0),
}
"""(vertical, horizontal) shift from luma to chroma positions; gray (400) has no chroma."""


def chroma_size(height: int, width: int, chroma: Chroma) -> tuple[int, int]:
    """Size of the second and third plane, rounded up for odd pictures.

    Args:
        height, width: of the picture, in pixels.
        chroma: any format but "400".
    Returns:
        (height, width) of one chroma plane, in samples.
    """
    down, right = CHROMA_SHIFT[chroma]
    return (height + down) >> down, (width + right) >> right


@dataclass(frozen=True, slots=True)
class Frame:
    """One decoded picture, or the place of one that could not be decoded."""

    planes: tuple[NDArray[Any], ...]
    """(Y, U, V), (Y,) for gray, (R, G, B) for RGB: 2-D, uint8 up to 8 bits, else uint16.
    Rows may be further apart than the width (line padding). Empty for a gap."""

    chroma: Chroma
    """How the second and third plane are subsampled."""

    bit_depth: int
    """Bits per sample: 8 to 16. Samples are in the low bits."""

    index: int
    """Position in the compared sequence, from 0, after any skip."""

    matrix: str | None = None
    """The picture's own tag: "bt709", "bt601", "bt2020", or None where it has none."""

    full_range: bool | None = None
    """The picture's own tag: True full, False limited, None untagged."""

    time: float | None = None
    """Presentation time in seconds, from the first picture of the video; None where unknown."""

    @property
    def is_gap(self) -> bool:
        """True where the picture could not be decoded; its number stays taken."""
        return not self.planes

    @property
    def height(self) -> int:
        """Height in pixels; 0 for a gap."""
        return int(self.planes[0].shape[0]) if self.planes else 0

    @property
    def width(self) -> int:
        """Width in pixels; 0 for a gap."""
        return int(self.planes[0].shape[1]) if self.planes else 0

    def __post_init__(self) -> None:
        if not self.planes:
            return
        wanted = 1 if self.chroma == "400" else 3
        if len(self.planes) != wanted:
            raise ValueError(f"A {self.chroma} frame has {wanted} planes, not {len(self.planes)}.")
        dtype = np.uint8 if self.bit_depth <= 8 else np.uint16
        height, width = self.planes[0].shape
        for number, plane in enumerate(self.planes):
            size = (height, width)
            if number and self.chroma != "400":
                size = chroma_size(height, width, self.chroma)
            if plane.shape != size or plane.dtype != dtype:
                raise ValueError(
                    f"Plane {number} of a {width}x{height} {self.chroma} frame of "
                    f"{self.bit_depth} bits is {size[1]}x{size[0]} {dtype.__name__}, "
                    f"not {plane.shape[::-1]} {plane.dtype}."
                )
