"""What every classic model must do: an odd item stands out, a uniform picture is flat."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

pytest.importorskip("scipy")

from scipy.signal import correlate as correlate_nd

from train.teachers import TEACHERS, load_teacher, teach
from train.teachers.planes import correlate, lab, stretched
from vmafsal.errors import UsageError

HEIGHT, WIDTH = 192, 256
CELL = 32
ODD = (3, 5)
"""Row and column of the odd item among 6 by 8."""


def items(kind: str) -> NDArray[np.uint8]:
    """Bars on gray, one of them of another colour, orientation or size."""
    picture = np.full((HEIGHT, WIDTH, 3), 128, np.uint8)
    for row in range(HEIGHT // CELL):
        for column in range(WIDTH // CELL):
            odd = (row, column) == ODD
            half_height, half_width = 9, 3
            color = (40, 160, 60)
            if odd and kind == "color":
                color = (220, 30, 30)
            if odd and kind == "orientation":
                half_height, half_width = half_width, half_height
            if odd and kind == "size":
                half_height, half_width = 15, 10
            y, x = row * CELL + CELL // 2, column * CELL + CELL // 2
            picture[y - half_height : y + half_height, x - half_width : x + half_width] = color
    return picture


def at_odd(found: NDArray[np.float32]) -> float:
    """Mean map over the odd item's cell, as a share of the greatest mean of an inner cell."""
    cells = found.reshape(HEIGHT // CELL, CELL, WIDTH // CELL, CELL).mean(axis=(1, 3))
    cells = cells - cells.min()
    return float(cells[ODD] / cells[1:-1, 1:-1].max())


@pytest.mark.parametrize("kind", ["color", "size"])
@pytest.mark.parametrize("name", TEACHERS)
def test_an_odd_item_stands_out(name: str, kind: str) -> None:
    assert at_odd(load_teacher(name)(items(kind))) > 0.95


@pytest.mark.parametrize("name", ["gbvs", "ikn", "rare2012"])
def test_an_odd_orientation_stands_out_where_orientation_is_a_channel(name: str) -> None:
    assert at_odd(load_teacher(name)(items("orientation"))) > 0.95


@pytest.mark.parametrize("name", TEACHERS)
@pytest.mark.parametrize("gray", [0, 128, 255])
def test_a_uniform_picture_is_flat_inside(name: str, gray: int) -> None:
    found = load_teacher(name)(np.full((HEIGHT, WIDTH, 3), gray, np.uint8))
    assert found.shape == (HEIGHT, WIDTH)
    assert found.dtype == np.float32
    assert np.isfinite(found).all()
    inside = found[64:-64, 64:-64]
    assert np.ptp(inside) <= 0.02 * max(1.0, float(np.abs(found).max()))


@pytest.mark.parametrize("name", TEACHERS)
def test_a_mirrored_picture_has_the_mirrored_map(name: str) -> None:
    teacher, picture = load_teacher(name), items("color")
    mirrored = teacher(np.ascontiguousarray(picture[:, ::-1]))[:, ::-1]
    correlation = np.corrcoef(teacher(picture).ravel(), mirrored.ravel())[0, 1]
    assert correlation > 0.93


def test_a_teacher_sees_every_picture_at_its_own_short_side() -> None:
    small = Image.fromarray(items("color"))
    large = small.resize((3 * WIDTH, 3 * HEIGHT), Image.Resampling.BICUBIC)
    for name, size in (("imsig", (320, 427)), ("aim", (240, 320))):
        found = teach(name, small)
        assert found.shape == size
        assert (found.min(), found.max()) == (0.0, 1.0)
        again = teach(name, large)
        assert np.corrcoef(found.ravel(), again.ravel())[0, 1] > 0.95


def test_correlation_with_kernels_is_scipys() -> None:
    rng = np.random.default_rng(0)
    image = rng.standard_normal((17, 23, 3), np.float32)
    kernels = rng.standard_normal((2, 5, 5, 3), np.float32)
    expected = [correlate_nd(image, kernel, mode="valid")[..., 0] for kernel in kernels]
    np.testing.assert_allclose(correlate(image, kernels), expected, atol=1e-4)


def test_an_unknown_teacher_is_refused_with_the_list() -> None:
    with pytest.raises(UsageError, match=r"There is no teacher unisal\. Choose aim, bms,"):
        load_teacher("unisal")


def test_lab_of_known_colours() -> None:
    rgb = np.array([[[255, 255, 255], [0, 0, 0], [255, 0, 0]]], np.uint8)
    found = lab(rgb)[0]
    np.testing.assert_allclose(found[0], [100, 0, 0], atol=0.02)
    np.testing.assert_allclose(found[1], [0, 0, 0], atol=0.02)
    np.testing.assert_allclose(found[2], [53.24, 80.09, 67.20], atol=0.05)


def test_a_constant_plane_stretches_to_zero() -> None:
    assert not stretched(np.full((4, 4), 0.3)).any()
