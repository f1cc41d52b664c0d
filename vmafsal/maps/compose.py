"""Two pictures put together by a saliency map: one where it is salient, the other elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from vmafsal.maps.drawing import enlarged
from vmafsal.video.base import SourceInfo
from vmafsal.video.frame import Frame

__all__ = ["Keep", "composed", "frame_bytes", "y4m_header"]

Keep = Literal["salient", "background"]
"""The part that stays as distorted."""

_LEAST_FADE = 1e-6
# Narrower than the steps of float32: nothing to blend.


def composed(
    reference: Frame,
    distorted: Frame,
    saliency: NDArray[np.float32],
    *,
    keep: Keep = "salient",
    threshold: float = 0.3,
    fade: float = 0.1,
) -> tuple[NDArray[Any], ...]:
    """The distorted picture in one part, the reference in the other.

    Args:
        reference, distorted: of one size, chroma format and depth.
        saliency: map of the reference, float32 [h, w] of any size.
        keep: the part that stays as distorted.
        threshold: saliency at which the two are mixed by halves.
        fade: width of the blend in saliency, centred on the threshold; 0 blends nothing.
    Returns:
        the planes. Samples outside the blend are those of one picture, bit for bit.
    """
    planes = []
    for ours, theirs in zip(reference.planes, distorted.planes, strict=True):
        level = enlarged(saliency, *ours.shape)
        weight = (
            np.clip((level - threshold) / np.float32(fade) + np.float32(0.5), 0, 1)
            if fade > _LEAST_FADE
            else (level >= threshold).astype(np.float32)
        )
        if keep == "background":
            weight = 1 - weight
        mixed = ours + (theirs.astype(np.float32) - ours) * weight
        planes.append(np.rint(mixed).astype(ours.dtype))
    return tuple(planes)


def y4m_header(info: SourceInfo) -> bytes:
    """The first line of a Y4M file of such frames.

    Args:
        info: of a video that is not RGB; 25 frames a second where it names no rate.
    """
    rate = Fraction(info.fps or 25).limit_denominator(1001)
    deep = info.bit_depth > 8
    if info.chroma == "400":
        chroma = f"mono{info.bit_depth}" if deep else "mono"
    else:
        chroma = f"{info.chroma}p{info.bit_depth}" if deep else info.chroma
    text = f"YUV4MPEG2 W{info.width} H{info.height} F{rate.numerator}:{rate.denominator} Ip A0:0"
    return f"{text} C{chroma}\n".encode("ascii")


def frame_bytes(planes: tuple[NDArray[Any], ...]) -> Iterator[bytes]:
    """The samples of a frame as in raw YUV: above 8 bits, 16-bit little-endian."""
    for plane in planes:
        yield plane.astype(plane.dtype.newbyteorder("<"), copy=False).tobytes()
