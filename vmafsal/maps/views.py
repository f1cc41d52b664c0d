"""What a frame and its map look like: the map, the map over the picture, or both side by side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vmafsal.errors import UsageError
from vmafsal.maps.drawing import COLOR_MAPS, Map, Picture, colored, enlarged, overlay, rgb_of

if TYPE_CHECKING:
    from vmafsal.video.frame import Frame

__all__ = ["VIEWS", "View", "gray_levels"]

VIEWS = ("map", "overlay", "side-by-side")


@dataclass(frozen=True, slots=True)
class View:
    """How maps are shown."""

    kind: str = "overlay"
    """One of VIEWS."""
    color_map: str = "inferno"
    """One of COLOR_MAPS."""
    alpha: float = 0.6
    """Share of the map's colour in an overlay, from 0 to 1."""

    def __post_init__(self) -> None:
        if self.kind not in VIEWS:
            raise UsageError(f"There is no view {self.kind!r}. Choose {', '.join(VIEWS)}.")
        if self.color_map not in COLOR_MAPS:
            raise UsageError(
                f"There is no colour map {self.color_map!r}. Choose {', '.join(COLOR_MAPS)}."
            )
        if not 0 <= self.alpha <= 1:
            raise UsageError(f"--alpha is a number from 0 to 1, not {self.alpha:g}.")

    def size(self, height: int, width: int) -> tuple[int, int]:
        """(height, width) of the pictures, from those of the frames."""
        return height, 2 * width if self.kind == "side-by-side" else width

    def draw(self, frame: Frame, saliency: Map) -> Picture:
        """The picture of one frame.

        Args:
            frame: no gap.
            saliency: float32 [H, W], of any size.
        Returns:
            uint8 [height, width, 3], of the size that size() says.
        """
        saliency = enlarged(saliency, frame.height, frame.width)
        if self.kind == "map":
            return colored(saliency, self.color_map)
        picture = rgb_of(frame)
        if self.kind == "overlay":
            return overlay(picture, saliency, self.alpha, self.color_map)
        return np.concatenate([picture, colored(saliency, self.color_map)], axis=1)


def gray_levels(saliency: Map, height: int, width: int, bits: int) -> NDArray[np.uint16]:
    """A map as gray levels: 0 is saliency 0, the greatest level is saliency 1.

    Args:
        saliency: float32 [H, W]; what lies outside [0, 1] is clipped.
        height, width: wanted, in pixels.
        bits: 8 or 16.
    Returns:
        uint16 [height, width], from 0 to 2^bits - 1.
    """
    top = (1 << bits) - 1
    levels = np.round(top * np.clip(enlarged(saliency, height, width), 0.0, 1.0).astype(np.float64))
    return levels.astype(np.uint16)
