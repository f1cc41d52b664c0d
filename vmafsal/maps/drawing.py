"""From a map, and the picture it belongs to, to what a person looks at: 8-bit RGB pictures."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vmafsal.errors import UsageError

if TYPE_CHECKING:
    from vmafsal.video.frame import Frame

__all__ = ["COLOR_MAPS", "colored", "encode_jpeg", "encode_png", "enlarged", "overlay", "rgb_of"]

Map = NDArray[np.float32]
Picture = NDArray[np.uint8]
"""uint8 [H, W, 3], RGB."""

COLOR_MAPS = ("viridis", "inferno", "gray")
"""Names of the colour maps. Equal steps of saliency look like equal steps of colour."""

# 33 of the 256 colours of each, evenly spaced; what lies between is interpolated.
# Source: Smith, van der Walt, "A Better Default Colormap for Matplotlib" (2015), CC0.
_POINTS = {
    "viridis": "440154 470d60 48186a 482374 472d7b 453781 424086 3e4989 3b528b 375b8d 33638d "
    "2f6b8e 2c728e 297a8e 26828e 23898e 21918c 1f978b 1f9f88 21a685 27ad81 31b57b "
    "3dbc74 4cc26c 5cc863 6ece58 81d34d 95d840 aadc32 c0df25 d5e21a eae51a fde725 ",
    "inferno": "000004 040312 0b0724 150b37 210c4a 2f0a5b 3d0965 4a0c6b 57106e 64156e 71196e "
    "7d1e6d 8a226a 972766 a32c61 b0315b bc3754 c63d4d d04545 da4e3c e35933 eb6429 "
    "f1711f f67e14 f98c0a fb9b06 fcaa0f fbba1f f9c932 f5d949 f2e865 f3f586 fcffa4 ",
    "gray": "000000 ffffff",
}


@cache
def _table(name: str) -> Picture:
    """256 colours, uint8 [256, 3]."""
    if name not in COLOR_MAPS:
        raise UsageError(f"There is no colour map {name!r}. Choose {', '.join(COLOR_MAPS)}.")
    points = np.array([list(bytes.fromhex(color)) for color in _POINTS[name].split()])
    places = np.round(np.linspace(0, 255, len(points)))
    columns = [np.interp(np.arange(256), places, points[:, channel]) for channel in range(3)]
    return np.round(np.stack(columns, axis=1)).astype(np.uint8)


def colored(saliency: Map, color_map: str = "viridis") -> Picture:
    """A map in colour.

    Args:
        saliency: float32 [H, W] in [0, 1]; what lies outside is clipped.
        color_map: one of COLOR_MAPS.
    Raises:
        UsageError: if there is no such colour map.
    """
    levels = np.round(255.0 * np.clip(saliency, 0.0, 1.0)).astype(np.uint8)
    picture: Picture = _table(color_map)[levels]
    return picture


def enlarged(saliency: Map, height: int, width: int) -> Map:
    """A map at another size, bilinear, with area support where it shrinks.

    Args:
        saliency: float32 [H, W].
        height, width: in pixels.
    Returns:
        float32 [height, width]; the map itself where it has that size.
    """
    if saliency.shape == (height, width):
        return saliency
    from PIL import Image

    image = Image.fromarray(np.ascontiguousarray(saliency, np.float32))
    return np.asarray(image.resize((width, height), Image.Resampling.BILINEAR), np.float32)


def overlay(
    picture: Picture, saliency: Map, alpha: float = 0.6, color_map: str = "inferno"
) -> Picture:
    """A picture with its map over it.

    Args:
        picture: uint8 [H, W, 3].
        saliency: float32 [H, W] in [0, 1], of the picture's size.
        alpha: share of the map's colour, from 0 to 1.
        color_map: one of COLOR_MAPS.
    """
    above = colored(saliency, color_map).astype(np.float32)
    mixed = picture.astype(np.float32) * (1.0 - alpha) + above * alpha
    return np.round(mixed).astype(np.uint8)


def rgb_of(frame: Frame) -> Picture:
    """A frame as it is meant to be seen, by the matrix and range that it is tagged with.

    Args:
        frame: no gap.
    Returns:
        uint8 [H, W, 3]. PQ and HLG are not tone-mapped.
    """
    from vmafsal.models.sidecar import InputPolicy
    from vmafsal.picture.color import frame_to_tensor

    as_stored = InputPolicy(color="auto", range="auto", mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
    tensor = np.empty((3, frame.height, frame.width), np.float32)
    frame_to_tensor(frame, as_stored, tensor)
    rgb: NDArray[Any] = np.round(255.0 * tensor.transpose(1, 2, 0))
    return rgb.astype(np.uint8)


def encode_jpeg(picture: Picture, quality: int = 85, longest: int | None = None) -> bytes:
    """A picture as a JPEG file.

    Args:
        picture: uint8 [H, W, 3].
        quality: of JPEG, from 1 to 95.
        longest: shrink it so that its longer side has at most so many pixels.
    """
    import io

    from PIL import Image

    image = Image.fromarray(picture)
    if longest is not None:
        image.thumbnail((longest, longest))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def encode_png(picture: Picture) -> bytes:
    """A picture as a PNG file.

    Args:
        picture: uint8 [H, W, 3].
    """
    import io

    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG")
    return buffer.getvalue()
