"""From maps to QP offsets."""

from __future__ import annotations

import numpy as np
import pytest

from vmafsal.errors import UsageError
from vmafsal.roi.mapping import BlockGrid, Mapping, offsets_of

GRAY = np.full((40, 100), 128, np.uint8)
SCENE = np.tile(np.arange(100) * 2, (40, 1)).astype(np.uint8)


def offset(saliency: float, mean: float, share: float = 0.5) -> int:
    """The offset of a block in a frame whose other blocks bring the mean to a value."""
    areas = np.full((1, 100), 0.01)
    blocks = np.full((1, 100), (mean * 100 - saliency) / 99)
    blocks[0, 0] = saliency
    return int(offsets_of(blocks, areas, share)[0, 0])


@pytest.mark.parametrize(
    ("saliency", "mean", "share", "expected"),
    [
        (0.2, 0.2, 0.5, 0),  # -3 log2(1)
        (0.0, 0.2, 0.5, 3),  # -3 log2(0.5)
        (0.6, 0.2, 0.5, -3),  # -3 log2(2)
        (1.0, 0.1, 0.5, -7),  # -3 log2(5.5) = -7.38
        (0.0, 0.2, 0.25, 1),  # -3 log2(0.75) = 1.25
        (0.8, 0.2, 0.25, -2),  # -3 log2(1.75) = -2.42
        (1.0, 0.02, 0.5, -8),  # -3 log2(10.5) = -10.2, clamped; the mean is taken as 0.05
        (0.0, 0.2, 0.9, 6),  # -3 log2(0.1) = 9.97, clamped
        (0.7, 0.2, 0.0, 0),
    ],
)
def test_formula(saliency: float, mean: float, share: float, expected: int) -> None:
    assert offset(saliency, mean, share) == expected


def test_where_nothing_stands_out_noise_is_not_enlarged() -> None:
    blocks = np.array([[0.001, 0.004, 0.0, 0.002]])
    # Against a mean of 0.05, not of 0.00175: all blocks are alike, near -3 log2(0.5).
    assert offsets_of(blocks, np.full((1, 4), 0.25), 0.5).tolist() == [[3, 3, 3, 3]]


def test_partial_blocks_count_by_their_area() -> None:
    grid = BlockGrid(20, 16, 16)
    assert (grid.rows, grid.columns) == (1, 2)
    assert grid.areas().tolist() == [[0.8, 0.2]]


@pytest.mark.parametrize("block", [16, 64])
def test_grid_covers_sizes_that_are_no_multiple(block: int) -> None:
    grid = BlockGrid(100, 40, block)
    saliency = np.zeros((20, 50), np.float32)
    saliency[-1, -1] = 1.0  # two by two pixels of the video, in the last partial block
    blocks = grid.averages(saliency)
    assert blocks.shape == (-(-40 // block), -(-100 // block))
    height, width = 40 - (grid.rows - 1) * block, 100 - (grid.columns - 1) * block
    assert blocks[-1, -1] == pytest.approx(4 / (height * width))
    assert np.count_nonzero(blocks) == 1


def half_bright(left: bool) -> np.ndarray:
    saliency = np.zeros((40, 100), np.float32)
    saliency[:, :48] = left
    saliency[:, 48:] = not left
    return saliency


def test_offsets_follow_slowly_within_a_scene_and_at_once_at_a_cut() -> None:
    mapping = Mapping(BlockGrid(100, 40, 16))
    first = mapping(half_bright(True), GRAY)
    followed = mapping(half_bright(False), GRAY)
    assert first[0, 0] < 0 < first[0, -1]
    assert followed[0, 0] == followed[0, -1] == 0  # both sides are halfway
    assert mapping.cuts == 0
    cut = mapping(half_bright(True), SCENE)
    assert mapping.cuts == 1
    assert np.array_equal(cut, first)


def test_smooth_of_one_takes_each_frame_alone() -> None:
    mapping = Mapping(BlockGrid(100, 40, 16), smooth=1)
    first = mapping(half_bright(True), GRAY)
    other = mapping(half_bright(False), GRAY)
    assert np.array_equal(other[:, 0], first[:, -1])


def test_cuts_are_found_at_any_depth_and_fast_motion_is_none() -> None:
    mapping = Mapping(BlockGrid(100, 40, 16))
    saliency = half_bright(True)
    ramp = np.tile(np.arange(100) * 2, (40, 1))
    for step in range(6):  # the whole picture moves on, by as much each time
        mapping(saliency, np.roll(ramp, 17 * step, 1).astype(np.uint16) * 4, 10)
    assert mapping.cuts <= 1
    before = mapping.cuts
    mapping(saliency, np.full((40, 100), 1023, np.uint16), 10)
    assert mapping.cuts == before + 1


@pytest.mark.parametrize(("share", "smooth"), [(-0.1, 0.5), (1.0, 0.5), (0.5, 0.0), (0.5, 1.1)])
def test_out_of_range(share: float, smooth: float) -> None:
    with pytest.raises(UsageError, match=r"--(share|smooth) is a number"):
        Mapping(BlockGrid(64, 64, 16), share, smooth)
