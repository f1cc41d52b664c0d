"""Eye-fixation metrics: hand-computed values and known limits."""

from __future__ import annotations

import math

import numpy as np
import pytest

from vmafsal.metrics.fixation import (
    auc_borji,
    auc_judd,
    correlation,
    distribution,
    information_gain,
    kl_divergence,
    nss,
    shuffled_auc,
    similarity,
)

SMALL = np.array([[0.0, 1.0], [2.0, 5.0]])
ONE = np.array([[1, 1]])
NONE = np.empty((0, 2), int)


def blob(row: float, column: float, sigma: float = 4.0) -> np.ndarray:
    y, x = np.mgrid[:32, :48]
    drawn: np.ndarray = np.exp(-((y - row) ** 2 + (x - column) ** 2) / (2 * sigma**2))
    return drawn


def test_a_distribution_sums_to_one_and_shifts_a_negative_minimum() -> None:
    assert distribution(SMALL).tolist() == [[0.0, 0.125], [0.25, 0.625]]
    assert distribution(np.array([[-1.0, 1.0]])).tolist() == [[0.0, 1.0]]
    assert distribution(np.zeros((2, 2))).tolist() == [[0.25, 0.25], [0.25, 0.25]]


def test_values_by_hand() -> None:
    truth = np.array([[0.0, 0.0], [1.0, 1.0]])
    # Of the mass of SMALL, 7/8 lies in the second row, 1/4 of the whole in its first pixel.
    assert similarity(SMALL, truth) == pytest.approx(0.25 + 0.5)
    assert kl_divergence(SMALL, truth) == pytest.approx(
        0.5 * math.log(0.5 / 0.25) + 0.5 * math.log(0.5 / 0.625)
    )
    assert nss(SMALL, ONE) == pytest.approx((5 - 2) / math.sqrt(14 / 4))
    assert correlation(SMALL, truth) == pytest.approx(
        np.corrcoef(SMALL.ravel(), truth.ravel())[0, 1]
    )
    assert auc_judd(SMALL, np.array([[1, 0]])) == pytest.approx(2 / 3)
    assert shuffled_auc(SMALL, np.array([[1, 0]]), np.array([[1, 1], [0, 0]])) == 0.5
    assert information_gain(SMALL, np.ones((2, 2)), ONE) == pytest.approx(math.log2(0.625 / 0.25))


def test_ties_count_half() -> None:
    assert auc_judd(np.ones((4, 4)), ONE) == 0.5
    assert shuffled_auc(np.ones((4, 4)), ONE, np.array([[0, 0]])) == 0.5


def test_a_perfect_map_and_its_opposite() -> None:
    truth = blob(10, 30)
    points = np.argwhere(truth > 0.8)
    assert correlation(truth, truth) == pytest.approx(1.0)
    assert correlation(-truth, truth) == pytest.approx(-1.0)
    assert kl_divergence(truth, truth) == pytest.approx(0.0, abs=1e-12)
    assert similarity(truth, truth) == pytest.approx(1.0)
    assert auc_judd(truth, points) == 1.0
    assert auc_judd(-truth, points) == 0.0
    assert auc_borji(truth, points, np.random.default_rng(0)) > 0.95


def test_a_centre_map_gains_nothing_by_the_shuffled_area() -> None:
    centre = blob(16, 24)
    here, elsewhere = np.argwhere(centre > 0.7), np.argwhere(centre > 0.7)
    assert shuffled_auc(centre, here, elsewhere) == 0.5
    assert auc_judd(centre, here) == 1.0


def test_a_constant_map_knows_nothing() -> None:
    assert correlation(np.full((5, 5), 0.1), blob(3, 3)[:5, :5]) == 0.0
    assert nss(np.full((5, 5), 0.1), ONE) == 0.0


def test_without_a_fixation_there_is_no_figure() -> None:
    for value in (
        nss(SMALL, NONE),
        auc_judd(SMALL, NONE),
        auc_borji(SMALL, NONE, np.random.default_rng(0)),
        shuffled_auc(SMALL, NONE, ONE),
        shuffled_auc(SMALL, ONE, NONE),
        information_gain(SMALL, SMALL, NONE),
    ):
        assert math.isnan(value)


def test_units_and_offsets_of_a_map_change_no_rank_metric() -> None:
    rng = np.random.default_rng(3)
    saliency = rng.random((20, 20))
    points = rng.integers(0, 20, (30, 2))
    assert auc_judd(saliency * 255 - 7, points) == auc_judd(saliency, points)
    assert nss(saliency * 255 - 7, points) == pytest.approx(nss(saliency, points))
