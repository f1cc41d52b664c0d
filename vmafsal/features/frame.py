"""FrameFeatures: what is known of one frame."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

__all__ = ["FrameFeatures"]


@dataclass(frozen=True, slots=True)
class FrameFeatures:
    """The named numbers of one frame."""

    index: int
    """frameNum in the log: position in the compared sequence, from 0."""

    metrics: dict[str, float]
    """Feature name to value, for example {"saliency_mean": 0.161187}; NaN where it has none."""

    map: NDArray[np.float32] | None = field(default=None, compare=False, repr=False)
    """Saliency map of the first model, float32 [H, W], where it was asked for. Each pixel is in
    [0, 1], unless post-processing was asked for that takes it out of there."""

    pts_time: float | None = None
    """Presentation time in seconds, from the first picture of the video; None if not known."""
