"""Statistics of the columns of a log, and how they correlate with saliency."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vmafsal.features.frame import FrameFeatures
from vmafsal.features.pooling import pool
from vmafsal.logs.log import Log

__all__ = [
    "Correlation",
    "Pair",
    "SalientQuarter",
    "Summary",
    "average_ranks",
    "correlate",
    "correlations",
    "salient_quarters",
    "summarise",
]


class Summary(NamedTuple):
    """What the values of one column amount to; NaN is left out, and so are infinities."""

    n: int
    """Frames with a finite value."""
    mean: float | None
    """None, as all that follows, where n is 0 or the figure leaves the range of a double."""
    harmonic: float | None
    """n / sum(1 / (value + 1)) - 1, libvmaf's harmonic_mean."""
    min: float | None
    p1: float | None
    """The first percentile, linear between neighbouring values; so for p5, median and p95."""
    p5: float | None
    median: float | None
    p95: float | None
    max: float | None
    stdev: float | None
    """Of these frames: the root of the mean squared distance to the mean (divided by n)."""


def summarise(values: Iterable[float]) -> Summary:
    """Summarise a column.

    Args:
        values: one a frame.
    Returns:
        Its statistics.
    """
    finite = [value for value in values if math.isfinite(value)]
    if not finite:
        return Summary(0, *[None] * 9)
    pooled = pool(finite)
    column = np.asarray(finite, dtype=np.float64)
    with np.errstate(all="ignore"):
        p1, p5, median, p95 = np.percentile(column, (1, 5, 50, 95))
        stdev = column.std()
    figures = (
        *(pooled["mean"], pooled["harmonic_mean"], pooled["min"]),
        *(p1, p5, median, p95, pooled["max"], stdev),
    )
    # A sum of huge values leaves the range of a double.
    return Summary(
        len(finite), *(float(value) if math.isfinite(value) else None for value in figures)
    )


class Correlation(NamedTuple):
    """How two columns go together."""

    pearson: float | None
    """Pearson's linear coefficient (PLCC) in [-1, 1]; None where it is not defined."""

    spearman: float | None
    """Spearman's rank coefficient (SROCC) in [-1, 1]; None where it is not defined."""

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
    """Ranks from 1; equal values share the mean of their ranks.

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
    # Equal values minus their mean need not be zero in floating point: compare them instead.
    if any(len(values) < 2 or values.min() == values.max() for values in (x, y)):
        return None
    with np.errstate(all="ignore"):
        x, y = (_centred(values) for values in (x, y))
        found = float(x @ y / (np.linalg.norm(x) * np.linalg.norm(y)))
    return min(max(found, -1.0), 1.0) if math.isfinite(found) else None


def _centred(values: NDArray[np.float64]) -> NDArray[np.float64]:
    # Less the least value first, so that nearly equal values keep their differences.
    above: NDArray[np.float64] = values - values.min()
    return above - float(above.mean())


@dataclass(frozen=True, slots=True)
class Pair:
    """A saliency column, another column, and how they go together."""

    saliency: str
    other: str
    correlation: Correlation


def correlations(log: Log) -> list[Pair]:
    """Correlate each saliency column with each other column, frame by frame.

    Args:
        log: for example a joined one.
    Returns:
        One entry a pair, in column order; two saliency columns meet once. Empty where no column's
        name begins with saliency_mean.
    """
    names = log.feature_names
    columns = {name: _values(log.frames, name) for name in names}
    saliency = _saliency_columns(log)
    return [
        Pair(name, other, correlate(columns[name], columns[other]))
        for place, name in enumerate(saliency)
        for other in names
        if other not in saliency[: place + 1]
    ]


@dataclass(frozen=True, slots=True)
class SalientQuarter:
    """A quality column over the most salient quarter of the frames, and over all."""

    column: str
    saliency: str
    frames: int
    """How many frames the quarter is, of `total` that have both values."""
    total: int
    mean: float
    """Over the quarter."""
    mean_of_all: float
    """Over the `total` frames."""


def salient_quarters(log: Log) -> list[SalientQuarter]:
    """The mean of each vmaf column over the quarter of the frames with the highest saliency.

    Args:
        log: for example a joined one.
    Returns:
        One entry for each column whose name begins with vmaf, by the first saliency_mean column.
        Empty where the log lacks one of the two.
    """
    saliency = next(iter(_saliency_columns(log)), None)
    if saliency is None:
        return []
    found = []
    for column in log.feature_names:
        if not column.startswith("vmaf"):
            continue
        pairs = [
            (high, value)
            for high, value in zip(
                _values(log.frames, saliency), _values(log.frames, column), strict=True
            )
            if math.isfinite(high) and math.isfinite(value)
        ]
        if not pairs:
            continue
        pairs.sort(key=lambda pair: -pair[0])
        count = math.ceil(len(pairs) / 4)
        values = [value for _, value in pairs]
        found.append(
            SalientQuarter(
                column,
                saliency,
                count,
                len(pairs),
                sum(values[:count]) / count,
                sum(values) / len(values),
            )
        )
    return found


def _saliency_columns(log: Log) -> list[str]:
    return [name for name in log.feature_names if name.startswith("saliency_mean")]


def _values(frames: Sequence[FrameFeatures], name: str) -> list[float]:
    return [frame.metrics.get(name, math.nan) for frame in frames]
