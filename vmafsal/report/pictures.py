"""Pictures of chosen frames: what was shown, where it is salient, and the two together."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import closing
from typing import TYPE_CHECKING

from vmafsal.maps.drawing import colored, encode_jpeg, enlarged, overlay, rgb_of

if TYPE_CHECKING:
    from vmafsal.run import Run

__all__ = ["pictures_of"]

_LONGEST = 640
"""Pixels of a stored picture's longer side."""


def pictures_of(
    run: Run, frames: frozenset[int], *, with_reference: bool
) -> Generator[tuple[int, Mapping[str, bytes]]]:
    """Decode and score chosen frames.

    Args:
        run: of the video that the logs are of; not iterated yet.
        frames: frameNum of each frame that is wanted.
        with_reference: show the reference's picture too.
    Yields:
        frameNum and its pictures, as JPEG files by their labels; frames that the video does not
        hold, or that could not be decoded, are left out.
    Raises:
        VmafsalError: if the video cannot be read, or no wanted frame is in it.
    """
    with closing(run.maps(with_reference=with_reference, only=frames)) as mapped_frames:
        for mapped in mapped_frames:
            picture = rgb_of(mapped.frame)
            saliency = enlarged(next(iter(mapped.maps.values())), *picture.shape[:2])
            shown = {"distorted": picture} if with_reference else {"picture": picture}
            if mapped.reference is not None and not mapped.reference.is_gap:
                shown = {"reference": rgb_of(mapped.reference), **shown}
            shown |= {"map": colored(saliency), "overlay": overlay(picture, saliency)}
            yield (
                mapped.features.index,
                {name: encode_jpeg(one, longest=_LONGEST) for name, one in shown.items()},
            )
