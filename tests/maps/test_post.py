"""Post-processing steps, each by values that can be computed by hand, and the chain of them."""

from __future__ import annotations

import numpy as np
import pytest

from vmafsal.errors import UsageError
from vmafsal.maps.post import (
    add_centre_prior,
    centre_prior,
    equalize,
    log_density,
    match_histogram,
    min_max,
    multiply_centre_prior,
    parse_steps,
    smooth,
    standardise,
)

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
    reference = rng.normal(0.5, 0.1, 5000)
    matched = match_histogram(saliency, reference)
    assert (np.argsort(matched.ravel()) == np.argsort(saliency.ravel())).mean() > 0.99
    for quantile in (0.1, 0.5, 0.9):
        assert np.quantile(matched, quantile) == pytest.approx(
            np.quantile(reference, quantile), abs=0.01
        )


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
    steps = parse_steps(" smooth=2%, centre-add=0.3:0.25 ,minmax,")
    assert len(steps) == 3
    found = np.random.default_rng(2).random((30, 100), np.float32)
    expected = min_max(add_centre_prior(smooth(found, 2.0), 0.3, 0.25))
    for step in steps:
        found = step(found)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, expected)
    assert parse_steps("") == []


@pytest.mark.parametrize(
    "text",
    [
        "blur",
        "smooth",
        "smooth=-1",
        "smooth=x%",
        "smooth=1001",
        "smooth=101%",
        "minmax=2",
        "centre-add",
        "centre-add=0.3",
        "centre-add=0:0.5",
        "centre-multiply=0.3:1.5",
        "equalise",
    ],
)
def test_a_step_that_makes_no_sense_is_a_sentence(text: str) -> None:
    with pytest.raises(UsageError, match=r"The step|There is no step"):
        parse_steps(text)
