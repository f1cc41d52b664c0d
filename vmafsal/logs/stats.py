"""Correlation of two columns, where not every frame has both."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["Correlation", "average_ranks", "correlate"]


class Correlation(NamedTuple):
    """How two columns go together."""

    pearson: float | None
    """Pearson's linear coefficient (PLCC) in [-1, 1]; None where it has no meaning."""

    spearman: float | None
    """Spearman's rank coefficient (SROCC) in [-1, 1]; None where it has no meaning."""

    n: int
    """Pairs that were compared: those where both values are finite."""


def correlate(left: ArrayLike, right: ArrayLike) -> Correlation:
    """Pearson's and Spearman's correlation of the pairs where both values are finite.

    Args:
        left, right: [N] numbers, pair by pair.
    Returns:
        The coefficients, both None with fewer than two pairs or where a column is constant.
    """
    x = np.asarray(left, dtype=np.float64)
    y = np.asarray(right, dtype=np.float64)
    both = np.isfinite(x) & np.isfinite(y)
    x, y = x[both], y[both]
    return Correlation(_pearson(x, y), _pearson(average_ranks(x), average_ranks(y)), len(x))


def average_ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ranks from 1, equal values sharing the mean of the ranks they take up.

    Args:
        values: [N] finite numbers.
    Returns:
        float64 [N].
    """
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    # Values up to and including a group take ranks up to `last`; its own are the last `counts`.
    last: NDArray[Any] = np.cumsum(counts)
    ranks: NDArray[np.float64] = (last - (counts - 1) / 2)[inverse]
    return ranks


def _pearson(x: NDArray[np.float64], y: NDArray[np.float64]) -> float | None:
    """sum(dx dy) / sqrt(sum(dx²) sum(dy²))."""
    unit = []
    for values in (x, y):
        # Equal values minus their mean need not be zero in floating point: compare them instead.
        if len(values) < 2 or values.min() == values.max():
            return None
        # By a power of two, which is exact, so that no square overflows; the least value goes
        # first, so that nearly equal ones keep their differences.
        scaled = np.ldexp(values, -np.frexp(np.abs(values).max())[1])
        centred = scaled - scaled.min()
        centred -= centred.mean()
        unit.append(centred / np.linalg.norm(centred))
    return float(np.clip(unit[0] @ unit[1], -1.0, 1.0))
