"""Post-processing steps, each by values that can be computed by hand, and the chain of them."""

from __future__ import annotations

import numpy as np
import pytest

from vmafsal.maps.post import (
    add_centre_prior,
    apply_steps,
    centre_prior,
    equalize,
    log_density,
    make_steps,
    match_histogram,
    min_max,
    multiply_centre_prior,
    smooth,
    standardise,
)
from vmafsal.maps.reference import Reference

SMALL = np.array([[0.1, 0.2], [0.2, 0.6]], np.float32)
FLAT = np.full((4, 6), 0.25, np.float32)


def test_values_by_hand() -> None:
    assert equalize(SMALL).tolist() == [[0.25, 0.75], [0.75, 1.0]]
    np.testing.assert_allclose(min_max(SMALL), [[0, 0.2], [0.2, 1.0]], atol=1e-6)
    np.testing.assert_allclose(standardise(SMALL).mean(), 0.0, atol=1e-6)
    np.testing.assert_allclose(standardise(SMALL).std(), 1.0, atol=1e-6)
    np.testing.assert_allclose(np.exp(log_density(SMALL).astype(np.float64)).sum(), 1.0, atol=1e-6)
    np.testing.assert_allclose(np.exp(log_density(SMALL))[1, 1], 1.0 / 1.4, atol=1e-6)


def test_a_flat_map_stays_flat() -> None:
    for step in (equalize, min_max, standardise, log_density):
        assert np.ptp(step(FLAT)) == 0.0
        assert np.isfinite(step(FLAT)).all()
    np.testing.assert_allclose(smooth(FLAT, 2.0), FLAT, atol=1e-6)


def test_a_matched_histogram_is_the_reference_s_in_the_map_s_order() -> None:
    rng = np.random.default_rng(1)
    saliency = rng.random((40, 50), np.float32) ** 3
    values = np.clip(rng.normal(0.5, 0.1, 5000), 0, 1)
    counts, edges = np.histogram(values, 100)
    for reference in (Reference.of_values(values), Reference.of_histogram(counts, edges)):
        matched = match_histogram(saliency, reference)
        order = np.argsort(saliency.ravel(), kind="stable")
        assert (np.diff(matched.ravel()[order]) >= 0).all()
        for quantile in (0.1, 0.5, 0.9):
            assert np.quantile(matched, quantile) == pytest.approx(
                np.quantile(values, quantile), abs=0.01
            )


def test_matching_a_map_to_itself_changes_nothing_and_equal_pixels_stay_equal() -> None:
    saliency = np.random.default_rng(3).random((20, 30), np.float32)
    itself = Reference.of_values(saliency)
    np.testing.assert_allclose(match_histogram(saliency, itself), saliency, atol=1e-6)
    matched = match_histogram(SMALL, Reference.of_values(np.array([0.0, 0.5, 0.5, 1.0])))
    assert matched.tolist() == [[0.0, 0.5], [0.5, 1.0]]
    # A constant map has no order: it gets the median, and does not become salient.
    np.testing.assert_allclose(match_histogram(FLAT, itself), np.median(saliency), atol=1e-6)


def test_a_blurred_point_is_a_gaussian_of_the_same_sum() -> None:
    point = np.zeros((41, 61), np.float32)
    point[20, 30] = 1.0
    found = smooth(point, 3.0)
    assert found.sum() == pytest.approx(1.0, abs=1e-5)
    assert found[20, 33] / found[20, 30] == pytest.approx(np.exp(-0.5), abs=1e-4)
    assert found[23, 30] == pytest.approx(found[20, 33], abs=1e-7)
    assert smooth(point, 0.0) is point


def test_the_prior_has_peak_one_in_the_middle_and_weighs_what_is_asked() -> None:
    prior = centre_prior(5, 9, 0.3)
    assert prior[2, 4] == prior.max() == 1.0
    assert prior[2, 0] == prior[2, 8]
    assert prior[0, 4] == pytest.approx(np.exp(-((2 / 1.5) ** 2) / 2), abs=1e-6)
    added = add_centre_prior(np.zeros((5, 9), np.float32), 0.3, 0.25)
    assert added.max() == pytest.approx(0.25)
    ones = np.ones((5, 9), np.float32)
    assert multiply_centre_prior(ones, 0.3, 1.0).tolist() == prior.tolist()
    assert (multiply_centre_prior(ones, 0.3, 0.0) == 1.0).all()


def test_a_chain_is_applied_in_its_order() -> None:
    steps = make_steps(" smooth=2%, centre-add=0.3:0.25 ,minmax,")
    assert len(steps) == 3
    found = np.random.default_rng(2).random((30, 100), np.float32)
    expected = min_max(add_centre_prior(smooth(found, 2.0), 0.3, 0.25))
    found = apply_steps(found, steps)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, expected)
    assert make_steps("") == make_steps(None) == []


def test_the_epsilon_of_a_log_density() -> None:
    (step,) = make_steps("logdensity=0.5")
    np.testing.assert_allclose(np.exp(step(SMALL)) * 3.4, [[0.5, 0.7], [0.7, 1.5]], rtol=1e-5)
    (usual,) = make_steps("logdensity")
    np.testing.assert_array_equal(usual(SMALL), log_density(SMALL))


def test_steps_run_one_after_the_other() -> None:
    after = apply_steps(SMALL, [lambda one: one * 2, lambda one: one + 1])
    np.testing.assert_allclose(after, SMALL * 2 + 1)
    assert apply_steps(SMALL, []) is SMALL
