"""Whether two videos can be compared frame by frame."""

from __future__ import annotations

import math

from vmafsal.errors import InputError
from vmafsal.video.base import Source, label

__all__ = ["check_pair"]


def check_pair(reference: Source, distorted: Source) -> None:
    """Refuse a reference and a distorted video that differ in size, format or depth.

    A difference in frame rate is a notice on `distorted`: frames are compared by number.

    Raises:
        InputError: if size, chroma format or bit depth differ.
    """
    ref, dist = reference.info, distorted.info
    names = f"{label(ref.path)} (reference) and {label(dist.path)} (distorted)"
    remedy = "Bring both to the same size, format and depth first, for example with ffmpeg."
    for what, one, other in (
        ("size", f"{ref.width}x{ref.height}", f"{dist.width}x{dist.height}"),
        ("chroma format", ref.chroma, dist.chroma),
        ("bit depth", f"{ref.bit_depth} bits", f"{dist.bit_depth} bits"),
    ):
        if one != other:
            raise InputError(f"{names} differ in {what}: {one} against {other}. {remedy}")
    # 24 and 24000/1001 differ by a thousandth; rounding of a container's clock by less.
    if ref.fps and dist.fps and not math.isclose(ref.fps, dist.fps, rel_tol=5e-4):
        distorted.notices.append(
            f"{names} differ in frame rate: {ref.fps:.3f} against {dist.fps:.3f} frames per "
            "second. Frames are paired by number, not by time."
        )
