"""Averages over the cells of a grid."""

from __future__ import annotations

import numpy as np
import pytest

from vmafsal.maps.area import Axis, area_average, block_edges, even_edges, product


def average(picture: np.ndarray, rows: tuple[float, ...], columns: tuple[float, ...]) -> np.ndarray:
    return area_average(picture, Axis(rows, np.float64), Axis(columns, np.float64))


def test_whole_cells_are_plain_means() -> None:
    picture = np.random.default_rng(1).random((36, 60))
    small = average(picture, even_edges(9, 36), even_edges(12, 60))
    assert np.allclose(small, picture.reshape(9, 4, 12, 5).mean((1, 3)), rtol=1e-12)


@pytest.mark.parametrize(("cells", "length"), [(1, 7), (3, 7), (7, 7), (17, 100), (192, 1080)])
def test_a_pixel_counts_by_the_area_it_covers(cells: int, length: int) -> None:
    # Of a picture enlarged so far that cells are whole again, plain means are exact.
    column = np.random.default_rng(2).random((length, 1))
    small = average(column, even_edges(cells, length), even_edges(1, 1))
    assert np.allclose(small[:, 0], column.repeat(cells).reshape(cells, length).mean(1), rtol=1e-10)
    assert small.mean() == pytest.approx(column.mean(), rel=1e-12)


def test_a_grid_finer_than_the_picture_repeats_it() -> None:
    small = average(np.array([[1.0, 3.0]]), even_edges(1, 1), even_edges(4, 2))
    assert small.tolist() == [[1.0, 1.0, 3.0, 3.0]]


def test_a_partial_block_is_averaged_over_its_own_pixels() -> None:
    picture = np.zeros((1, 20))
    picture[0, 16:] = 8
    edges = block_edges(16, 20, 20)
    assert edges == (0.0, 16.0, 20.0)
    assert average(picture, even_edges(1, 1), edges).tolist() == [[0.0, 8.0]]


def test_blocks_of_a_video_lie_where_they_do_in_a_smaller_map() -> None:
    # 40 pixels of video on 10 of map: blocks of 16 cover 4, 4 and 2 of them.
    picture = np.arange(10.0)[None]
    edges = block_edges(16, 40, 10)
    assert average(picture, even_edges(1, 1), edges).tolist() == [[1.5, 5.5, 8.5]]


def test_grid_of_the_pictures_own_size_changes_nothing() -> None:
    picture = np.random.default_rng(3).random((11, 13)).astype(np.float32)
    same = area_average(picture, Axis(even_edges(11, 11)), Axis(even_edges(13, 13)))
    assert np.array_equal(same, picture)


@pytest.mark.parametrize("shape", [(8, 45, 1920), (1080, 96, 8), (3, 70_000, 5), (2, 3, 4)])
def test_a_product_in_parts_is_the_product(shape: tuple[int, int, int]) -> None:
    rows, inner, columns = shape
    random = np.random.default_rng(4)
    left, right = random.random((rows, inner)), random.random((columns, inner)).T
    out = np.full((rows, columns), np.nan)
    product(left, right, out)
    assert np.allclose(out, left @ right, rtol=1e-12)
