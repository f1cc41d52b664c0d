"""Blocks merged to rectangles."""

from __future__ import annotations

import numpy as np
import pytest

from vmafsal.roi.mapping import BlockGrid
from vmafsal.roi.rectangles import Rectangle, rectangles


def painted(found: list[Rectangle], grid: BlockGrid) -> np.ndarray:
    """The offset of each pixel; fails where rectangles overlap."""
    picture = np.zeros((grid.height, grid.width), int)
    times = np.zeros_like(picture)
    for top, bottom, left, right, offset in found:
        picture[top:bottom, left:right] = offset
        times[top:bottom, left:right] += 1
    assert times.max(initial=0) <= 1
    return picture


@pytest.mark.parametrize(("width", "height"), [(96, 64), (100, 41), (16, 16), (7, 5)])
def test_rectangles_say_what_the_blocks_do(width: int, height: int) -> None:
    grid = BlockGrid(width, height, 16)
    random = np.random.default_rng(width)
    for _ in range(5):
        offsets = random.integers(-1, 2, (grid.rows, grid.columns)).astype(np.int8)
        expected = offsets.repeat(16, 0).repeat(16, 1)[:height, :width]
        assert np.array_equal(painted(rectangles(offsets, grid), grid), expected)


def test_equal_blocks_become_one_rectangle() -> None:
    offsets = np.zeros((4, 5), np.int8)
    offsets[1:4, 2:5] = -3
    found = rectangles(offsets, BlockGrid(78, 62, 16))
    assert found == [Rectangle(16, 62, 32, 78, -3)]


def test_zeros_are_no_region() -> None:
    assert rectangles(np.zeros((3, 3), np.int8), BlockGrid(48, 48, 16)) == []
