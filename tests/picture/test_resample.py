"""Resampling, against an area average in float64."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.resampling import area_weights
from vmafsal.errors import InputError
from vmafsal.picture.resample import PlaneResizer, Resampler, canonical_size
from vmafsal.video.frame import Chroma, Frame, chroma_size


@pytest.mark.parametrize("bit_depth", [8, 10, 12, 16])
@pytest.mark.parametrize(("height", "width"), [(1080, 1920), (540, 960), (324, 577), (287, 353)])
@pytest.mark.parametrize("picture", ["noise", "ramp"])
def test_area_average_down(height: int, width: int, bit_depth: int, picture: str) -> None:
    full = 2**bit_depth
    if picture == "noise":
        plane = np.random.default_rng(0).integers(0, full, (height, width))
    else:
        plane = np.add.outer(np.arange(height), np.arange(width)) * full // (height + width)
    plane = plane.astype(np.uint8 if bit_depth == 8 else np.uint16)
    rows, columns = canonical_size(height, width, 224)
    ours = PlaneResizer()(plane, rows, columns, bit_depth)
    exact = area_weights(height, rows) @ plane @ area_weights(width, columns).T
    difference = (ours - exact) / 2 ** (bit_depth - 8)
    assert ours.dtype == plane.dtype
    assert np.abs(difference).max() <= 1
    assert abs(difference.mean()) <= 0.05


def test_bilinear_up() -> None:
    ramp = np.tile(np.arange(0, 160, 10, dtype=np.uint8), (16, 1))
    larger = PlaneResizer()(ramp, 64, 64)
    inside = larger[:, 8:-8].astype(int)
    assert np.abs(inside - inside[:1]).max() <= 1
    # A ramp stays a ramp: a quarter of the slope at four times the size, half-pixel centres.
    position = (np.arange(8, 56) + 0.5) / 4 - 0.5
    np.testing.assert_allclose(inside[0], position * 10, atol=1)


def test_a_flat_plane_stays_flat() -> None:
    for level in (0, 1, 127, 255):
        plane = np.full((271, 399), level, np.uint8)
        assert (PlaneResizer()(plane, 100, 140) == level).all()


@pytest.mark.parametrize("bit_depth", [8, 9, 10, 12, 14, 16])
@pytest.mark.parametrize(
    ("width", "wanted"), [(1, 40), (2, 33), (7, 3), (15, 7), (17, 16), (99, 4)]
)
def test_narrow_planes(width: int, wanted: int, bit_depth: int) -> None:
    # Narrower than swscale's filters, which then read past the end of a row.
    dtype = np.uint8 if bit_depth == 8 else np.uint16
    plane = np.random.default_rng(4).integers(0, 2**bit_depth, (40, width), dtype)
    ours = PlaneResizer()(plane, 20, wanted, bit_depth)
    assert ours.shape == (20, wanted)
    if wanted <= width:
        exact = area_weights(40, 20) @ plane @ area_weights(width, wanted).T
        assert np.abs(ours - exact).max() <= 2 ** (bit_depth - 8)


def test_a_plane_is_read_where_it_lies() -> None:
    noise = np.random.default_rng(5).integers(0, 256, (300, 700), np.uint8)
    inside = noise[7:295, 13:525]
    inside.flags.writeable = False
    expected = PlaneResizer()(inside.copy(), 72, 128)
    np.testing.assert_array_equal(PlaneResizer()(inside, 72, 128), expected)


def test_a_resized_plane_outlives_the_next() -> None:
    resize = PlaneResizer()
    first = resize(np.full((64, 64), 10, np.uint8), 32, 32)
    for level in range(20, 30):
        resize(np.full((64, 64), level, np.uint8), 32, 32)
    assert (first == 10).all()


def test_the_same_size_is_left_alone() -> None:
    plane = np.arange(6, dtype=np.uint8).reshape(2, 3)
    assert PlaneResizer()(plane, 2, 3) is plane


@pytest.mark.parametrize(
    ("size", "short_side", "expected"),
    [
        ((1080, 1920), 224, (224, 398)),
        ((1920, 1080), 224, (398, 224)),
        ((144, 176), 224, (224, 274)),
        ((500, 500), 160, (160, 160)),
    ],
)
def test_canonical_size(size: tuple[int, int], short_side: int, expected: tuple[int, int]) -> None:
    assert canonical_size(*size, short_side) == expected


def test_a_sliver_is_refused() -> None:
    with pytest.raises(InputError, match=r"too narrow.*short_side=native"):
        canonical_size(2, 1920, 224)


@pytest.mark.parametrize("chroma", ["420", "422", "444", "400", "rgb"])
def test_planes_go_straight_to_the_canonical_size(chroma: Chroma) -> None:
    noise = np.random.default_rng(1)
    sizes = [(97, 131)] + ([] if chroma == "400" else [chroma_size(97, 131, chroma)] * 2)
    frame = Frame(
        tuple(noise.integers(0, 256, size, np.uint8) for size in sizes),
        chroma,
        8,
        index=7,
        matrix="bt601",
        full_range=True,
    )
    small = Resampler(short_side=48)(frame)
    assert small.chroma == (chroma if chroma in ("400", "rgb") else "444")
    assert {plane.shape for plane in small.planes} == {(48, 65)}
    assert (small.index, small.matrix, small.full_range) == (7, "bt601", True)
    for plane, original in zip(small.planes, frame.planes, strict=True):
        exact = (
            area_weights(original.shape[0], 48) @ original @ area_weights(original.shape[1], 65).T
        )
        if original.shape[0] >= 48 and original.shape[1] >= 65:
            assert np.abs(plane - exact).max() <= 1
    fixed = Resampler(size=(32, 32))(frame)
    assert fixed.planes[0].shape == (32, 32)
