"""Numbers of a saliency map, one function each.

To add one, write its function here, give it a line in a table below, and test it in
tests/features/test_saliency.py. Its name in logs is its name here, and the tag of its model.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "AREA_THRESHOLD",
    "CHANGES",
    "MEAN",
    "STATS",
    "saliency_area",
    "saliency_change",
    "saliency_cx",
    "saliency_cy",
    "saliency_entropy",
    "saliency_mean",
    "saliency_peak",
    "saliency_std",
]

Map = NDArray[np.float32]

_ROUNDING = 1e-6

AREA_THRESHOLD = 0.5
"""A pixel from here up is salient."""


def saliency_mean(saliency: Map) -> float:
    """Mean of a map.

    Args:
        saliency: float32 [H, W], each pixel in [0, 1].
    Returns:
        0 to 1.
    Source: libvmaf feature_mobilesal (sum in double over H·W).
    """
    return float(saliency.mean(dtype=np.float64))


def saliency_std(saliency: Map) -> float:
    """Standard deviation of a map: sqrt(mean((s - mean(s))²)), over all pixels.

    Args:
        saliency: float32 [H, W], each pixel in [0, 1].
    Returns:
        0 to 0.5.
    """
    return float(saliency.std(dtype=np.float64))


def saliency_area(saliency: Map) -> float:
    """Share of the pixels that are salient, at 0.5 or above.

    Args:
        saliency: float32 [H, W], each pixel in [0, 1].
    Returns:
        0 to 1.
    """
    return np.count_nonzero(saliency >= AREA_THRESHOLD) / saliency.size


def saliency_peak(saliency: Map) -> float:
    """Greatest value of a map.

    Args:
        saliency: float32 [H, W], each pixel in [0, 1].
    Returns:
        0 to 1.
    """
    return float(saliency.max())


def saliency_entropy(saliency: Map) -> float:
    """Shannon entropy of a map as a distribution: -Σ p log2 p, where p = s / Σs.

    Args:
        saliency: float32 [H, W], each pixel in [0, 1].
    Returns:
        bits, 0 (one pixel holds everything) to log2(H·W) (all pixels are equal); NaN where the
        map is 0 everywhere or has a value below 0, which is no distribution.
    """
    if not _is_weight(saliency):
        return math.nan
    # -Σ (s/t) log2(s/t) = log2 t - (Σ s log2 s) / t
    positive = saliency[saliency > 0].astype(np.float64)
    total = float(positive.sum())
    if total == 0:
        return math.nan
    entropy = math.log2(total) - float((positive * np.log2(positive)).sum()) / total
    return max(entropy, 0.0)


def saliency_cx(saliency: Map) -> float:
    """Horizontal centroid of a map: Σ x·s / Σs, with x = (column + 1/2) / W.

    Args:
        saliency: float32 [H, W], each pixel in [0, 1].
    Returns:
        0 (left) to 1 (right); NaN where the map is 0 everywhere or has a value below 0.
    """
    return _centroid(saliency, axis=0)


def saliency_cy(saliency: Map) -> float:
    """Vertical centroid of a map: Σ y·s / Σs, with y = (row + 1/2) / H.

    Args:
        saliency: float32 [H, W], each pixel in [0, 1].
    Returns:
        0 (top) to 1 (bottom); NaN where the map is 0 everywhere or has a value below 0.
    """
    return _centroid(saliency, axis=1)


def saliency_change(saliency: Map, previous: Map) -> float:
    """Mean absolute difference of a map to the one before it.

    Args:
        saliency, previous: float32 [H, W] of one size, each pixel in [0, 1].
    Returns:
        0 to 1.
    """
    return float(np.abs(saliency - previous).mean(dtype=np.float64))


def _is_weight(saliency: Map) -> bool:
    """False for a map that post-processing took below 0, by more than a rounding."""
    return bool(saliency.min() >= -_ROUNDING)


def _centroid(saliency: Map, axis: int) -> float:
    weights = saliency.sum(axis=axis, dtype=np.float64)
    total = float(weights.sum())
    if total == 0 or not _is_weight(saliency):
        return math.nan
    places = (np.arange(len(weights)) + 0.5) / len(weights)
    return float(weights @ places) / total


MEAN: dict[str, Callable[[Map], float]] = {"saliency_mean": saliency_mean}
"""What every model's map is measured by: name to function."""

STATS: dict[str, Callable[[Map], float]] = {
    "saliency_std": saliency_std,
    "saliency_area": saliency_area,
    "saliency_peak": saliency_peak,
    "saliency_entropy": saliency_entropy,
    "saliency_cx": saliency_cx,
    "saliency_cy": saliency_cy,
}
"""What stats=true adds."""

CHANGES: dict[str, Callable[[Map, Map], float]] = {"saliency_change": saliency_change}
"""What stats=true adds that looks at the map before; NaN for the first frame."""
