"""Whether two videos can be compared frame by frame."""

from __future__ import annotations

import math

from vmafsal.errors import InputError
from vmafsal.video.base import Source, label

__all__ = ["check_pair"]


def check_pair(reference: Source, distorted: Source, *, pixels: bool = False) -> None:
    """Whether a reference and a distorted video can be compared.

    Where both tell their size, format and depth themselves, a difference is a notice on
    `distorted`, since frames of the reference are only counted. So is a difference in frame rate:
    frames are compared by number.

    Args:
        pixels: whether each pixel of one is compared or put together with that of the other.
    Raises:
        InputError: if size, chroma format or bit depth differ, and one of the two is raw video,
            or the pixels of both are needed.
    """
    ref, dist = reference.info, distorted.info
    names = f"{label(ref.path)} (reference) and {label(dist.path)} (distorted)"
    differ = [
        (what, one, other)
        for what, one, other in (
            ("size", f"{ref.width}x{ref.height}", f"{dist.width}x{dist.height}"),
            ("chroma format", ref.chroma, dist.chroma),
            ("bit depth", f"{ref.bit_depth} bits", f"{dist.bit_depth} bits"),
        )
        if one != other
    ]
    if differ and (pixels or "raw" in (ref.kind, dist.kind)):
        what, one, other = differ[0]
        why = " psnr and compose need the pixels of both." if pixels else ""
        raise InputError(
            f"{names} differ in {what}: {one} against {other}.{why} Bring both to the same size, "
            "format and depth first, for example with ffmpeg."
        )
    if differ:
        of_ref = ", ".join(one for _, one, _ in differ)
        of_dist = ", ".join(other for _, _, other in differ)
        distorted.notices.append(
            f"{label(ref.path)} is {of_ref}, {label(dist.path)} {of_dist}; the reference is only "
            "counted."
        )
    # 24 and 24000/1001 differ by a thousandth; rounding of a container's clock by less.
    if ref.fps and dist.fps and not math.isclose(ref.fps, dist.fps, rel_tol=5e-4):
        distorted.notices.append(
            f"{names} differ in frame rate: {ref.fps:.3f} against {dist.fps:.3f} frames per "
            "second. Frames are paired by number, not by time."
        )
