"""Curves keep their extremes, and the frames that matter are found."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tests.report.logs import log_of
from vmafsal.errors import InputError
from vmafsal.report.curves import curves_of, group_of, moments, thin


def test_short_curves_are_kept_whole() -> None:
    assert thin(np.arange(100.0), 100).tolist() == list(range(100))


def test_a_thinned_curve_keeps_extremes_ends_and_gaps() -> None:
    rng = np.random.default_rng(1)
    values = rng.uniform(0.4, 0.6, 100_000)
    values[[12_345, 77_777]] = 1.0, 0.0
    values[50_000] = math.nan
    kept = thin(values, 1000)
    assert len(kept) <= 1600
    assert (np.diff(kept) > 0).all()
    assert {0, 12_345, 50_000, 77_777, 99_999} <= set(kept.tolist())


def test_a_curve_without_a_value_keeps_its_ends() -> None:
    assert {0, 9999} <= set(thin(np.full(10_000, math.nan), 100).tolist())


@pytest.mark.parametrize(
    ("column", "group"),
    [
        ("saliency_mean_b", "saliency"),
        ("vmaf", "vmaf"),
        ("psnr_y", "psnr"),
        ("float_ssim", "ssim"),
        ("cambi", "cambi"),
        ("integer_vif_scale0", "other"),
    ],
)
def test_columns_share_an_axis_with_their_family(column: str, group: str) -> None:
    assert group_of(column) == group


def test_curves_come_saliency_first_with_null_as_nan() -> None:
    log = log_of({"motion": [1, 2], "vmaf": [90, 80], "saliency_mean": [0.1, math.nan]}, start=5)
    curves = curves_of(log)
    assert [curve.name for curve in curves] == ["saliency_mean", "vmaf", "motion"]
    assert curves[0].frames.tolist() == [5, 6]
    assert np.isnan(curves[0].values[1])
    with pytest.raises(InputError, match=r"Frame 1 holds -1e\+308 for vmaf.* too large to draw"):
        curves_of(log_of({"vmaf": [90, -1e308]}))


def test_the_frames_that_matter_are_found_a_second_apart() -> None:
    vmaf = np.full(200, 95.0)
    vmaf[[10, 12, 120]] = 40.0, 41.0, 50.0
    saliency = np.full(200, 0.1)
    saliency[70] = 0.9
    found = moments(log_of({"saliency_mean": saliency, "vmaf": vmaf}, start=1000), each=2)
    by_frame = {moment.frame: moment.why for moment in found}
    assert by_frame[1010] == by_frame[1120] == "lowest vmaf"
    assert 1012 not in by_frame
    assert by_frame[1070] == "highest saliency_mean"
    assert [moment.frame for moment in found] == sorted(by_frame)


def test_the_gap_between_whole_and_salient_quality_is_found() -> None:
    whole = np.full(100, 40.0)
    salient = whole.copy()
    salient[33] = 31.0
    found = moments(log_of({"psnr_y": whole, "psnr_y_saliency": salient}), each=1)
    (moment,) = found
    assert (moment.frame, moment.value) == (33, -9.0)
    assert moment.why == "largest gap from psnr_y to psnr_y_saliency"


def test_frames_without_a_value_are_never_chosen() -> None:
    assert moments(log_of({"vmaf": [math.nan] * 4})) == []
