"""Frames of low quality and high saliency."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pytest

from vmafsal.errors import InputError
from vmafsal.features.frame import FrameFeatures
from vmafsal.logs import Log
from vmafsal.logs.worst import frame_rate, worst_frames


def log_of(rows: Sequence[tuple[float, float]], times: list[float] | None = None) -> Log:
    frames = [
        FrameFeatures(n, {"vmaf": low, "saliency_mean": high}, pts_time=times[n] if times else None)
        for n, (low, high) in enumerate(rows)
    ]
    return Log(version="x", fps=None, width=0, height=0, frames=frames)


def indices(log: Log, count: int = 5, rate: float = 1.0, **options: float) -> list[int]:
    chosen = worst_frames(log, "vmaf", "saliency_mean", count, rate, **options)
    return [one.frame for one in chosen]


def test_sum_of_ranks() -> None:
    # Ranks of vmaf from below: 2 1 4 3; of saliency from above: 1 4 2 3. Sums: 3 5 6 6.
    log = log_of([(50, 0.9), (40, 0.1), (90, 0.8), (80, 0.2)])
    chosen = worst_frames(log, "vmaf", "saliency_mean", 4, 1.0)
    assert [(one.frame, one.ranks) for one in chosen] == [(0, 3), (1, 5), (2, 6), (3, 6)]
    assert (chosen[0].low, chosen[0].high, chosen[1].seconds) == (50, 0.9, 1.0)
    assert indices(log, count=2) == [0, 1]


def test_scale_does_not_matter() -> None:
    rows = [(50, 0.9), (40, 0.1), (90, 0.8), (80, 0.2), (10, 0.5)]
    scaled = [(low * 1000, math.exp(high)) for low, high in rows]
    assert indices(log_of(rows)) == indices(log_of(scaled))


def test_chosen_frames_keep_a_second_between_them() -> None:
    log = log_of([(float(n), 0.5) for n in range(100)])
    assert indices(log, count=3, rate=25.0) == [0, 25, 50]
    assert indices(log, count=3, rate=25.0, apart=0.0) == [0, 1, 2]
    # 29.97 fps: frame 30 is 1.001 s away, frame 29 is not.
    assert indices(log, count=2, rate=30000 / 1001) == [0, 30]
    timed = log_of([(float(n), 0.5) for n in range(6)], [0.0, 0.1, 0.9, 1.0, 1.5, 2.2])
    assert indices(timed) == [0, 3, 5]


def test_frames_without_a_finite_value_are_left_out() -> None:
    log = log_of([(math.nan, 0.9), (40, math.inf), (90, 0.8), (80, 0.2)])
    del log.frames[3].metrics["vmaf"]
    assert indices(log) == [2]
    del log.frames[2].metrics["vmaf"]
    with pytest.raises(InputError, match="No frame has a finite value of both"):
        indices(log)


def test_missing_column() -> None:
    log = log_of([(1, 2)])
    with pytest.raises(InputError, match=r"no column vmag\. Did you mean vmaf\?"):
        worst_frames(log, "vmag", "saliency_mean", 5, 25.0)
    with pytest.raises(InputError, match=r"It has vmaf, saliency_mean\. Name another one, or put"):
        worst_frames(log, "vmaf", "niqe", 5, 25.0)


@pytest.mark.parametrize(
    ("facts", "rate"),
    [
        (None, None),
        ({"input": {"fps": 23.976}}, 23.976),
        ({"join": {"logs": [{"file": "a"}, {"vmafsal": {"input": {"fps": 50}}}]}}, 50.0),
        ({"input": {"fps": "25"}}, None),
        ({"input": {"fps": 0}}, None),
        ({"input": {"fps": True}}, None),
        ({"input": [], "join": {"logs": [3, {"vmafsal": 3}]}}, None),
        ({"join": []}, None),
    ],
)
def test_frame_rate(facts: Any, rate: float | None) -> None:
    log = log_of([(1, 2)])
    log.vmafsal = facts
    assert frame_rate(log) == rate
