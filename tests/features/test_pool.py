"""Pooling."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmafsal.features.pooling import pool

GOLDEN = Path(__file__).parents[1] / "golden"


def test_by_hand() -> None:
    # harmonic: 3 / (1/2 + 1/3 + 1/6) - 1 = 2
    pooled = pool([1.0, 2.0, 5.0])
    assert pooled["min"] == 1.0
    assert pooled["max"] == 5.0
    assert pooled["mean"] == pytest.approx(8 / 3, abs=1e-15)
    assert pooled["harmonic_mean"] == pytest.approx(2.0, abs=1e-15)
    assert list(pooled) == ["min", "max", "mean", "harmonic_mean"]


def test_every_digit_that_libvmaf_printed() -> None:
    log = json.loads((GOLDEN / "synthetic_64x48_yuv420p_8f__mobilesal.max.json").read_text())
    scores = [frame["metrics"]["saliency_mean"] for frame in log["frames"]]
    assert pool(scores) == log["pooled_metrics"]["saliency_mean"]


def test_zeros() -> None:
    assert pool([0.0, 0.0]) == {"min": 0.0, "max": 0.0, "mean": 0.0, "harmonic_mean": 0.0}


def test_a_frame_without_a_value_is_left_out() -> None:
    assert pool([math.nan, 1.0, 2.0, math.nan, 5.0]) == pool([1.0, 2.0, 5.0])


def test_no_value_at_all() -> None:
    assert all(math.isnan(figure) for figure in pool([math.nan, math.nan]).values())  # type: ignore[arg-type]


def test_minus_one_has_no_harmonic_mean_but_no_failure_either() -> None:
    assert pool([-1.0, 3.0])["harmonic_mean"] == -1.0


def test_no_score() -> None:
    with pytest.raises(ValueError, match="no frame was scored"):
        pool([])


@given(st.lists(st.floats(0.0, 1e6), min_size=1))
def test_means_lie_between_the_extremes(scores: list[float]) -> None:
    pooled = pool(scores)
    slack = 1e-9 * (1 + pooled["max"])
    assert pooled["min"] - slack <= pooled["harmonic_mean"] <= pooled["mean"] + slack
    assert pooled["mean"] <= pooled["max"] + slack
