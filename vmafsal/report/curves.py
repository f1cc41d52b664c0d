"""From a joined log to the curves, figures and frames that a report shows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from vmafsal.errors import InputError
from vmafsal.logs import Log

__all__ = ["Curve", "Moment", "curves_of", "group_of", "moments", "saliency_column", "thin"]

_GROUPS = ("saliency", "vmaf", "psnr", "ssim", "cambi")
"""Families of columns that share an axis, in the order in which they are drawn."""

_FRAMES_APART = 25
"""Two stored frames of one kind are at least this far apart: about a second of video."""

_GREATEST = 1e300
"""The range of an axis, its margins and its bins are computed in doubles, and stay finite."""


@dataclass(frozen=True, slots=True)
class Curve:
    """One column of a log, thinned for drawing."""

    name: str
    group: str
    """Columns of one group share an axis: "saliency", "vmaf", "psnr", "ssim", "cambi", "other"."""
    frames: NDArray[np.int64]
    """frameNum of each point, ascending."""
    values: NDArray[np.float64]
    """NaN where the log holds null."""


@dataclass(frozen=True, slots=True)
class Moment:
    """A frame that is worth a look, and why."""

    frame: int
    """frameNum."""
    why: str
    """For example "lowest vmaf"."""
    value: float


def group_of(column: str) -> str:
    """The family of a column: the first of saliency, vmaf, psnr, ssim and cambi in its name.

    Args:
        column: name of a column.
    Returns:
        "other" where there is none.
    """
    # vmaf's own features (integer_vif_scale0, ...) are no member of any family.
    for group in _GROUPS:
        if column.removeprefix("float_").startswith(group):
            return group
    return "other"


def curves_of(log: Log, points: int = 4000) -> list[Curve]:
    """All columns of a log as curves of bounded length.

    Args:
        log: at least one frame.
        points: the most points that a curve keeps; see thin.
    Returns:
        in the order of their groups, then of the log.
    Raises:
        InputError: if a value is too large for an axis.
    """
    frames = np.array([frame.index for frame in log.frames], np.int64)
    curves = []
    for name in log.feature_names:
        values = np.array([frame.metrics.get(name, math.nan) for frame in log.frames], np.float64)
        huge = np.isfinite(values) & (np.abs(values) > _GREATEST)
        if huge.any():
            place = int(huge.argmax())
            raise InputError(
                f"Frame {frames[place]} holds {values[place]:g} for {name}, which is too large to "
                f"draw: write the log again, or leave {name} out."
            )
        kept = thin(values, points)
        curves.append(Curve(name, group_of(name), frames[kept], values[kept]))
    order = [*_GROUPS, "other"]
    return sorted(curves, key=lambda curve: order.index(curve.group))


def thin(values: NDArray[np.float64], points: int) -> NDArray[np.int64]:
    """Positions to keep so that a drawn curve keeps its extremes.

    The curve is cut into stretches of equal length; of each, the least and the greatest value
    stay, and a NaN if there is one, so that a gap stays a gap. The first and the last value
    always stay.

    Args:
        values: float64 [N].
        points: about how many to keep, at least 8.
    Returns:
        int64, ascending; all positions where N is at most `points`.
    """
    count = len(values)
    if count <= points:
        return np.arange(count, dtype=np.int64)
    kept = {0, count - 1}
    edges = np.linspace(0, count, max(2, points // 2) + 1).astype(np.int64)
    for start, end in pairwise(edges.tolist()):
        part = values[start:end]
        missing = np.isnan(part)
        if missing.any():
            kept.add(int(start + missing.argmax()))
        if not missing.all():
            kept |= {int(start + np.nanargmin(part)), int(start + np.nanargmax(part))}
    return np.array(sorted(kept), np.int64)


def saliency_column(log: Log) -> str | None:
    """The first column whose name begins with saliency_mean; None where there is none."""
    return next((name for name in log.feature_names if name.startswith("saliency_mean")), None)


def moments(log: Log, each: int = 3) -> list[Moment]:
    """The frames whose pictures a report shows.

    Args:
        log: at least one frame.
        each: how many frames of each kind: lowest vmaf, highest saliency, and the largest
            difference between a figure of the whole picture and the same figure weighted by
            saliency (psnr_y and psnr_y_saliency, vmaf and vmaf_salient).
    Returns:
        in ascending order of their frames, each frame once, with the first reason found for it.
    """
    numbers = [frame.index for frame in log.frames]
    found: dict[int, Moment] = {}
    saliency = saliency_column(log)
    wanted: list[tuple[str, NDArray[np.float64], NDArray[np.float64]]] = []
    if "vmaf" in log.feature_names:
        vmaf = _column(log, "vmaf")
        wanted.append(("lowest vmaf", -vmaf, vmaf))
    if saliency is not None:
        values = _column(log, saliency)
        wanted.append((f"highest {saliency}", values, values))
    for whole, part in (("psnr_y", "psnr_y_saliency"), ("vmaf", "vmaf_salient")):
        if {whole, part} <= set(log.feature_names):
            apart = _column(log, part) - _column(log, whole)
            wanted.append((f"largest gap from {whole} to {part}", np.abs(apart), apart))
    for why, ranking, values in wanted:
        for place in _highest(ranking, each):
            found.setdefault(numbers[place], Moment(numbers[place], why, float(values[place])))
    return [found[number] for number in sorted(found)]


def _column(log: Log, name: str) -> NDArray[np.float64]:
    return np.array([frame.metrics.get(name, math.nan) for frame in log.frames], np.float64)


def _highest(values: NDArray[np.float64], count: int) -> Sequence[int]:
    """Positions of the greatest finite values, none within a second of another."""
    chosen: list[int] = []
    for place in np.argsort(-values, kind="stable"):
        if len(chosen) == count or not np.isfinite(values[place]):
            break
        if all(abs(int(place) - other) >= _FRAMES_APART for other in chosen):
            chosen.append(int(place))
    return chosen
