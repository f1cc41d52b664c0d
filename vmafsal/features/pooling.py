"""Pooling: libvmaf's min, max, mean and harmonic mean over the frames that were scored."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypedDict

__all__ = ["Pooled", "pool"]


class Pooled(TypedDict):
    """Keys in libvmaf's order."""

    min: float
    max: float
    mean: float
    harmonic_mean: float


def pool(scores: Sequence[float]) -> Pooled:
    """Pool one feature over frames.

    Args:
        scores: one value a scored frame, at least one. NaN, which is null in JSON, is a frame
            without a value: it is left out.
    Returns:
        min, max, mean and harmonic_mean of the values; all NaN where there is none.
    Raises:
        ValueError: if there is no score.
    Source: libvmaf vmaf_feature_score_pooled: sums run in frame order in double, and
        harmonic_mean = n / sum(1 / (s + 1)) - 1.
    """
    if not scores:
        raise ValueError("Nothing to pool: no frame was scored.")
    values = [score for score in scores if not math.isnan(score)]
    if not values:
        return Pooled(min=math.nan, max=math.nan, mean=math.nan, harmonic_mean=math.nan)
    total = 0.0
    inverse = 0.0
    for score in values:
        total += score
        inverse += 1.0 / (score + 1.0) if score != -1.0 else math.inf
    count = len(values)
    harmonic = count / inverse - 1.0 if inverse else math.inf
    return Pooled(min=min(values), max=max(values), mean=total / count, harmonic_mean=harmonic)
