"""From a saliency map to named scalars."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["FrameFeatures", "saliency_mean"]


@dataclass(frozen=True, slots=True)
class FrameFeatures:
    """The named scalars of one frame."""

    index: int
    """frameNum in the log: position in the compared sequence, from 0."""

    metrics: dict[str, float]
    """Feature name to value, for example {"saliency_mean": 0.161187}."""


def saliency_mean(saliency: NDArray[np.float32]) -> NDArray[np.float64]:
    """Mean saliency of each map.

    Args:
        saliency: float32 [N, 1, H, W], each pixel in [0, 1].
    Returns:
        float64 [N]; NaN where a map holds NaN.
    Source: libvmaf feature_mobilesal (sum in double over H·W).
    """
    means: NDArray[Any] = saliency.mean(axis=(1, 2, 3), dtype=np.float64)
    return means
