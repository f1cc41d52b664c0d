"""Correlation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vmafsal.logs.stats import average_ranks, correlate

NAN = math.nan


def test_by_hand() -> None:
    # dx = (-1.5, -.5, .5, 1.5), dy = (-2, 0, -1, 3): 7 / sqrt(5 * 14)
    # ranks of y are 1, 3, 2, 4: 1 - 6 * 2 / (4 * 15) = 0.8
    found = correlate([1, 2, 3, 4], [3, 5, 4, 8])
    assert found.pearson == pytest.approx(7 / math.sqrt(70), abs=1e-15)
    assert found.spearman == pytest.approx(0.8, abs=1e-15)
    assert found.n == 4


def test_ties_share_their_mean_rank() -> None:
    assert average_ranks(np.array([10.0, 20.0, 20.0, 5.0, 20.0])).tolist() == [2, 4, 4, 1, 4]
    # Ranks 1.5, 1.5, 3, 4 against 1, 2, 3, 4: 4.5 / sqrt(4.5 * 5)
    found = correlate([7, 7, 8, 9], [1, 2, 3, 4])
    assert found.spearman == pytest.approx(math.sqrt(0.9), abs=1e-15)


def test_order_counts_for_spearman_alone() -> None:
    x = np.linspace(0.1, 3.0, 30)
    found = correlate(x, np.exp(5 * x))
    assert found.spearman == pytest.approx(1.0, abs=1e-15)
    assert found.pearson is not None
    assert found.pearson < 0.8
    falling = correlate(x, -np.exp(5 * x))
    assert falling.spearman == pytest.approx(-1.0, abs=1e-15)


def test_frames_without_one_of_the_values_are_left_out() -> None:
    found = correlate([1, NAN, 2, 3, 4, 9], [3, 7, 5, 4, 8, math.inf])
    assert found == correlate([1, 2, 3, 4], [3, 5, 4, 8])


@pytest.mark.parametrize(
    ("x", "y", "n"),
    [
        ([], [], 0),
        ([1.0], [2.0], 1),
        ([1.0, NAN], [2.0, 3.0], 1),
        ([0.1, 0.1, 0.1], [1.0, 2.0, 3.0], 3),
        ([1.0, 2.0, 3.0], [0.0, 0.0, 0.0], 3),
    ],
)
def test_no_meaning(x: list[float], y: list[float], n: int) -> None:
    assert correlate(x, y) == (None, None, n)


def test_nearly_equal_values() -> None:
    close = correlate([1.0, 1.0 + 2**-52, 1.0], [0.0, 1.0, 0.0])
    assert close.pearson == pytest.approx(1.0, abs=1e-9)


def test_squares_beyond_a_double_have_no_coefficient() -> None:
    assert correlate([1e308, -1e308, 5e307], [1.0, 2.0, 4.0]).pearson is None


# Of 32 bits, so that no square leaves the range of a double.
FLOATS = st.floats(-1e6, 1e6, width=32)


@settings(max_examples=50)
@given(st.lists(st.tuples(FLOATS, FLOATS), min_size=2, max_size=40))
def test_agrees_with_scipy(pairs: list[tuple[float, float]]) -> None:
    scipy_stats = pytest.importorskip("scipy.stats")
    x, y = np.array(pairs).T
    found = correlate(x, y)
    if found.pearson is None or found.spearman is None:
        assert np.ptp(x) == 0 or np.ptp(y) == 0
        return
    assert found.spearman == pytest.approx(scipy_stats.spearmanr(x, y).statistic, abs=1e-9)
    if min(np.std(x) / np.abs(x).max(), np.std(y) / np.abs(y).max()) > 1e-6:
        assert found.pearson == pytest.approx(scipy_stats.pearsonr(x, y).statistic, abs=1e-6)
