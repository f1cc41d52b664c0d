"""PSNR, whole and weighted by saliency."""

from __future__ import annotations

import csv
from contextlib import ExitStack
from math import isnan, log10

import numpy as np
import pytest

from tests.conftest import ORACLE
from vmafsal.features.psnr import Psnr, psnr
from vmafsal.video import open_source

CLIPS = [
    ("seek10_{}_352x288_420p8_24f.yuv", "seek10_352x288_420p8_24f", 352, 288),
    ("src01_{}_576x324_420p8_3f.yuv", "src01_576x324_420p8_3f", 576, 324),
    ("synthetic_64x48_yuv420p_8f_{}.yuv", "synthetic_64x48_yuv420p_8f", 64, 48),
]


@pytest.mark.oracle
@pytest.mark.parametrize(("clip", "log", "width", "height"), CLIPS)
def test_psnr_y_is_libvmafs_digit_for_digit(clip: str, log: str, width: int, height: int) -> None:
    with (ORACLE / "expected" / f"{log}__vmaf_psnr.csv").open() as file:
        expected = [row["psnr_y"] for row in csv.DictReader(file)]
    saliency = np.full((48, 64), 0.25, np.float32)
    found = []
    paths = (str(ORACLE / "clips" / clip.format(side)) for side in ("ref", "dist"))
    with ExitStack() as stack:
        ours = [
            stack.enter_context(open_source(path, width=width, height=height)).frames()
            for path in paths
        ]
        pairs = list(zip(*ours, strict=True))
    for reference, distorted in pairs:
        result = psnr(reference.planes[0], distorted.planes[0], saliency)
        found.append(f"{result.psnr_y:.6f}")
        # Weights that are all alike give the plain figure back.
        assert result.psnr_y_saliency == pytest.approx(result.psnr_y, abs=1e-5)
    assert found == expected


def pictures(
    height: int, width: int, bits: int, seed: int = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A luma, a worse one, and their squared error."""
    random = np.random.default_rng(seed)
    dtype = np.uint8 if bits == 8 else np.uint16
    reference = random.integers(0, 1 << bits, (height, width))
    noise = random.integers(-9, 10, (height, width))
    distorted = np.clip(reference + noise, 0, (1 << bits) - 1)
    error = (reference - distorted).astype(float) ** 2
    return reference.astype(dtype), distorted.astype(dtype), error


@pytest.mark.parametrize("bits", [8, 10, 12, 16])
@pytest.mark.parametrize(("height", "width"), [(64, 48), (31, 33), (1, 1), (600, 20)])
def test_definition_where_the_map_has_the_pictures_size(height: int, width: int, bits: int) -> None:
    reference, distorted, error = pictures(height, width, bits)
    saliency = np.random.default_rng(1).random((height, width), np.float32)

    def decibels(mean: float) -> float:
        return min(10 * log10(((1 << bits) - 1) ** 2 / max(mean, 1e-16)), 6 * bits + 12)

    def over(mask: np.ndarray) -> float:
        return decibels(error[mask].mean()) if mask.any() else np.nan

    expected = (
        decibels(error.mean()),
        decibels((saliency * error).sum() / saliency.sum()),
        over(saliency >= 0.5),
        over(saliency < 0.5),
    )
    assert psnr(reference, distorted, saliency, bits) == pytest.approx(
        expected, abs=1e-5, nan_ok=True
    )


def test_error_is_averaged_down_to_the_map() -> None:
    reference, distorted, error = pictures(40, 60, 8)
    saliency = np.random.default_rng(2).random((10, 12), np.float32)
    small = error.reshape(10, 4, 12, 5).mean((1, 3))
    mean = (saliency * small).sum() / saliency.sum()
    assert psnr(reference, distorted, saliency).psnr_y_saliency == pytest.approx(
        10 * log10(255**2 / mean), abs=1e-5
    )


@pytest.mark.parametrize("bits", [8, 10, 16])
def test_sums_stay_exact_where_cells_are_high_and_errors_great(bits: int) -> None:
    # 40 rows of cells, each of 27.5 rows of pixels: neighbours share one.
    random = np.random.default_rng(5)
    reference, distorted = random.integers(0, 1 << bits, (2, 1100, 6)).astype(np.uint16)
    error = int(((reference.astype(np.int64) - distorted) ** 2).sum())
    found = psnr(reference, distorted, np.ones((40, 3), np.float32), bits)
    assert found.psnr_y == 10 * log10(((1 << bits) - 1) ** 2 / (error / reference.size))
    assert found.psnr_y_saliency == pytest.approx(found.psnr_y, abs=1e-5)


def test_map_larger_than_the_picture_is_averaged_down() -> None:
    reference, distorted, _ = pictures(20, 30, 8)
    saliency = np.random.default_rng(3).random((20, 30), np.float32)
    large = saliency.repeat(3, 0).repeat(2, 1)
    assert psnr(reference, distorted, large) == pytest.approx(
        psnr(reference, distorted, saliency), abs=1e-4
    )


def test_error_inside_the_salient_part_counts_more() -> None:
    reference = np.full((32, 32), 100, np.uint8)
    inside, outside = reference.copy(), reference.copy()
    inside[:16] += 5
    outside[16:] += 5
    saliency = np.full((32, 32), 0.1, np.float32)
    saliency[:16] = 0.9
    good, bad = psnr(reference, outside, saliency), psnr(reference, inside, saliency)
    assert good.psnr_y == bad.psnr_y
    assert good.psnr_y_saliency - bad.psnr_y_saliency == pytest.approx(10 * log10(9), abs=1e-5)
    assert good.psnr_y_salient == 60.0
    assert bad.psnr_y_background == 60.0


@pytest.mark.parametrize(("bits", "cap"), [(8, 60.0), (10, 72.0), (16, 108.0)])
def test_equal_pictures_reach_the_cap(bits: int, cap: float) -> None:
    reference, _, _ = pictures(18, 22, bits)
    saliency = np.random.default_rng(4).random((9, 11), np.float32)
    assert psnr(reference, reference.copy(), saliency, bits) == Psnr(cap, cap, cap, cap)


def test_parts_that_are_empty_have_no_figure() -> None:
    reference, distorted, _ = pictures(16, 16, 8)
    faint = psnr(reference, distorted, np.full((16, 16), 0.1, np.float32))
    assert isnan(faint.psnr_y_salient)
    assert faint.psnr_y_background == pytest.approx(faint.psnr_y)
    bright = psnr(reference, distorted, np.full((16, 16), 0.5, np.float32))
    assert isnan(bright.psnr_y_background)
    nothing = psnr(reference, distorted, np.zeros((16, 16), np.float32))
    assert isnan(nothing.psnr_y_saliency)
    assert nothing.psnr_y == faint.psnr_y


def test_greatest_errors_do_not_wrap_round() -> None:
    black, white = np.zeros((9, 9), np.uint16), np.full((9, 9), 65535, np.uint16)
    saliency = np.ones((9, 9), np.float32)
    for pair in ((black, white), (white, black)):
        assert psnr(*pair, saliency, 16).psnr_y == 0.0


def test_planes_with_line_padding_are_read() -> None:
    reference, distorted, _ = pictures(24, 40, 8)
    saliency = np.full((24, 31), 0.5, np.float32)
    padded = psnr(reference[:, :31], distorted[:, :31], saliency)
    assert padded == psnr(reference[:, :31].copy(), distorted[:, :31].copy(), saliency)


def test_two_sizes_are_refused() -> None:
    one, other = np.zeros((4, 4), np.uint8), np.zeros((4, 1), np.uint8)
    with pytest.raises(ValueError, match="two sizes"):
        psnr(one, other, np.ones((4, 4), np.float32))
