"""The frames where one column is low and another one high: bad quality where viewers look."""

from __future__ import annotations

import math
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, NamedTuple

import numpy as np

from vmafsal.errors import InputError
from vmafsal.logs.log import Log
from vmafsal.logs.stats import average_ranks

__all__ = ["WorstFrame", "frame_rate", "worst_frames"]


class WorstFrame(NamedTuple):
    """A frame of a log that was chosen."""

    frame: int
    """frameNum."""
    seconds: float
    """Presentation time, or frameNum / rate where the log does not hold it."""
    low: float
    """Value of the column that should be high."""
    high: float
    """Value of the column that says how much the frame matters."""
    ranks: float
    """Rank of low from the lowest value up, plus rank of high from the highest value down."""


def worst_frames(
    log: Log, low: str, high: str, count: int, rate: float, apart: float = 1.0
) -> list[WorstFrame]:
    """Choose the frames with the smallest sum of ranks.

    Ranks make two columns of different scales count the same. Equal values share the mean of
    their ranks; of equal sums the earlier frame comes first.

    Args:
        log: for example a joined one.
        low: column whose low values are bad, for example "vmaf".
        high: column whose high values matter, for example "saliency_mean".
        count: how many frames are chosen at most.
        rate: frames per second, for frames without pts_time.
        apart: distance in seconds that chosen frames keep.
    Returns:
        The frames, the worst one first. Frames without a finite value in both columns are left
        out.
    Raises:
        InputError: if the log lacks a column, or no frame has both values.
    """
    for column in (low, high):
        if column not in log.feature_names:
            raise InputError(_missing(column, log))
    frames = [
        (frame, frame.metrics.get(low, math.nan), frame.metrics.get(high, math.nan))
        for frame in log.frames
    ]
    frames = [row for row in frames if math.isfinite(row[1]) and math.isfinite(row[2])]
    if not frames:
        raise InputError(f"No frame has a finite value of both {low} and {high}.")
    ranks = average_ranks(np.array([row[1] for row in frames]))
    ranks = ranks + average_ranks(-np.array([row[2] for row in frames]))
    chosen: list[WorstFrame] = []
    for place in np.argsort(ranks, kind="stable"):
        frame, low_value, high_value = frames[place]
        seconds = frame.index / rate if frame.pts_time is None else frame.pts_time
        # A frame that is a second away within the rounding of its time counts as a second away.
        if all(abs(seconds - other.seconds) > apart - 1e-6 for other in chosen):
            chosen.append(
                WorstFrame(frame.index, seconds, low_value, high_value, float(ranks[place]))
            )
        if len(chosen) == count:
            break
    return chosen


def _missing(column: str, log: Log) -> str:
    near = get_close_matches(column, log.feature_names, 1)
    if near:
        return f"The log has no column {column}. Did you mean {near[0]}?"
    shown = ", ".join(log.feature_names[:8])
    more = len(log.feature_names) - 8
    return (
        f"The log has no column {column}. It has {shown}{f' and {more} more' if more > 0 else ''}. "
        "Name another one, or put two logs together with vmafsal join first."
    )


def frame_rate(log: Log) -> float | None:
    """Frames per second of the video, as one of our own logs, or a join of them, says.

    Args:
        log: with or without provenance.
    Returns:
        The rate; None if the log does not say it.
    """
    return _rate(log.vmafsal or {}, depth=0)


def _rate(facts: Mapping[str, Any], depth: int) -> float | None:
    video = facts.get("input")
    fps = video.get("fps") if isinstance(video, dict) else None
    if isinstance(fps, (int, float)) and not isinstance(fps, bool) and 0 < fps < math.inf:
        return float(fps)
    join = facts.get("join")
    parts = join.get("logs") if isinstance(join, dict) else None
    for part in parts if isinstance(parts, list) and depth < 8 else ():
        own = part.get("vmafsal") if isinstance(part, dict) else None
        found = _rate(own, depth + 1) if isinstance(own, dict) else None
        if found is not None:
            return found
    return None
