"""Numbers of a map, each against its formula in plain Python."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from vmafsal.features import saliency as features
from vmafsal.features.saliency import (
    CHANGES,
    MEAN,
    STATS,
    saliency_area,
    saliency_change,
    saliency_cx,
    saliency_cy,
    saliency_entropy,
    saliency_mean,
    saliency_peak,
    saliency_std,
)


def a_map(rows: list[list[float]]) -> NDArray[np.float32]:
    return np.array(rows, np.float32)


RAMP = a_map([[0.0, 0.25, 0.5, 1.0], [0.0, 0.0, 0.0, 0.25]])
EMPTY = np.zeros((3, 5), np.float32)
FULL = np.ones((3, 5), np.float32)


def test_a_map_below_zero_has_a_mean_and_a_spread_but_is_no_distribution() -> None:
    below = a_map([[-2.0, 0.5], [1.0, 3.5]])
    assert saliency_mean(below) == 0.75
    assert saliency_std(below) == pytest.approx(math.sqrt(15.25 / 4))
    assert (saliency_peak(below), saliency_area(below)) == (3.5, 0.75)
    for number in (saliency_entropy, saliency_cx, saliency_cy):
        assert math.isnan(number(below))


def test_by_hand() -> None:
    assert saliency_mean(RAMP) == 0.25
    # Deviations from 0.25: 0.25, 0, 0.25, 0.75, 0.25, 0.25, 0.25, 0
    assert saliency_std(RAMP) == pytest.approx(math.sqrt((5 * 0.0625 + 0.5625) / 8))
    assert saliency_area(RAMP) == 2 / 8
    assert saliency_peak(RAMP) == 1.0
    # p = 1/8, 1/4, 1/2, 1/8
    assert saliency_entropy(RAMP) == pytest.approx(0.375 + 0.5 + 0.5 + 0.375)
    assert saliency_cx(RAMP) == pytest.approx((0.375 * 0.25 + 0.625 * 0.5 + 0.875 * 1.25) / 2)
    assert saliency_cy(RAMP) == pytest.approx((0.25 * 1.75 + 0.75 * 0.25) / 2)
    assert saliency_change(RAMP, np.zeros_like(RAMP)) == 0.25
    assert saliency_change(RAMP, RAMP) == 0.0


def test_an_empty_map_is_no_distribution() -> None:
    assert (saliency_mean(EMPTY), saliency_std(EMPTY), saliency_area(EMPTY)) == (0, 0, 0)
    for measure in (saliency_entropy, saliency_cx, saliency_cy):
        assert math.isnan(measure(EMPTY))


def test_a_full_map() -> None:
    assert (saliency_mean(FULL), saliency_std(FULL), saliency_area(FULL)) == (1, 0, 1)
    assert saliency_entropy(FULL) == pytest.approx(math.log2(15))
    assert saliency_cx(FULL) == pytest.approx(0.5)
    assert saliency_cy(FULL) == pytest.approx(0.5)


def test_one_pixel_holds_everything() -> None:
    spot = EMPTY.copy()
    spot[2, 4] = 0.3
    assert saliency_entropy(spot) == pytest.approx(0, abs=1e-12)
    assert saliency_cx(spot) == pytest.approx(0.9)
    assert saliency_cy(spot) == pytest.approx(2.5 / 3)


def test_half_is_salient() -> None:
    assert saliency_area(a_map([[0.5, np.nextafter(np.float32(0.5), np.float32(0))]])) == 0.5


def test_a_crop_has_the_numbers_of_its_copy() -> None:
    """Maps are views into padded answers."""
    padded = np.random.default_rng(0).random((20, 30), np.float32)
    crop = padded[:17, :23]
    for measure in (MEAN | STATS).values():
        assert measure(crop) == pytest.approx(measure(crop.copy()), abs=1e-12)


def test_every_function_of_the_module_stands_in_a_table() -> None:
    public = {name for name in features.__all__ if name.startswith("saliency_")}
    tables: dict[str, Any] = {**MEAN, **STATS, **CHANGES}
    assert public == set(tables)
    assert all(function.__name__ == name for name, function in tables.items())


@given(
    st.integers(1, 12).flatmap(
        lambda width: st.lists(
            st.lists(st.floats(0, 1, width=32), min_size=width, max_size=width),
            min_size=1,
            max_size=12,
        )
    )
)
def test_they_stay_in_their_ranges(rows: list[list[float]]) -> None:
    saliency = a_map(rows)
    assert 0 <= saliency_mean(saliency) <= 1
    assert 0 <= saliency_std(saliency) <= 0.5 + 1e-12
    assert 0 <= saliency_area(saliency) <= 1
    assert saliency_mean(saliency) <= saliency_peak(saliency) + 1e-12
    if saliency.any():
        assert 0 <= saliency_entropy(saliency) <= math.log2(saliency.size) + 1e-6
        assert 0 <= saliency_cx(saliency) <= 1
        assert 0 <= saliency_cy(saliency) <= 1
