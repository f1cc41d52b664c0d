"""Colour maps, overlays, and frames as they are meant to be seen."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from vmafsal.errors import UsageError
from vmafsal.maps.drawing import (
    COLOR_MAPS,
    colored,
    encode_jpeg,
    enlarged,
    overlay,
    rgb_of,
)
from vmafsal.video.frame import Frame

RAMP = np.linspace(0, 1, 256, dtype=np.float32)[None]


@pytest.mark.parametrize("name", ["viridis", "inferno", "gray"])
def test_colours_are_matplotlib_s(name: str) -> None:
    matplotlib = pytest.importorskip("matplotlib")
    wanted = np.array(matplotlib.colormaps[name](np.arange(256)))[:, :3] * 255
    assert np.abs(colored(RAMP, name)[0] - wanted).max() <= 2.0


@pytest.mark.parametrize("name", COLOR_MAPS)
def test_more_saliency_is_brighter_and_the_outside_is_clipped(name: str) -> None:
    luma = colored(RAMP, name)[0] @ np.array([0.2126, 0.7152, 0.0722])
    assert (np.diff(luma) > -0.5).all()
    outside = np.array([[-1.0, 0.0, 1.0, 7.0]], np.float32)
    found = colored(outside, name)[0].tolist()
    assert found[0] == found[1]
    assert found[2] == found[3]


def test_an_unknown_colour_map_is_refused_with_the_list() -> None:
    with pytest.raises(UsageError, match=r"'jet'\. Choose viridis, inferno, gray\."):
        colored(RAMP, "jet")


def test_an_overlay_mixes_by_alpha() -> None:
    picture = np.full((2, 256, 3), 100, np.uint8)
    saliency = np.repeat(RAMP, 2, axis=0)
    assert (overlay(picture, saliency, alpha=0.0) == picture).all()
    assert (overlay(picture, saliency, alpha=1.0) == colored(saliency, "inferno")).all()
    half = overlay(picture, saliency, alpha=0.5, color_map="gray")
    assert half[0, 255].tolist() == [178, 178, 178]


def test_a_map_is_enlarged_and_keeps_its_range() -> None:
    small = np.array([[0.0, 1.0]], np.float32)
    large = enlarged(small, 4, 8)
    assert large.shape == (4, 8)
    assert (large.min(), large.max()) == (0.0, 1.0)
    assert enlarged(small, 1, 2) is small


@pytest.mark.parametrize(("full_range", "luma"), [(True, 255), (False, 235), (None, 235)])
def test_white_is_white_in_either_range(full_range: bool | None, luma: int) -> None:
    planes = (np.full((4, 6), luma, np.uint8), *[np.full((2, 3), 128, np.uint8)] * 2)
    frame = Frame(planes, "420", 8, 0, full_range=full_range)
    assert rgb_of(frame).tolist() == np.full((4, 6, 3), 255).tolist()


def test_ten_bit_red_by_the_stream_s_matrix() -> None:
    # Red of BT.601, limited range: Y 81, Cb 90, Cr 240, here with 10 bits.
    planes = tuple(np.full((2, 2), value << 2, np.uint16) for value in (81, 90, 240))
    red, green, blue = rgb_of(Frame(planes, "444", 10, 0, matrix="bt601"))[0, 0]
    assert red >= 253
    assert max(green, blue) <= 2


def test_a_jpeg_is_no_longer_than_asked() -> None:
    data = encode_jpeg(np.zeros((100, 300, 3), np.uint8), longest=150)
    with Image.open(io.BytesIO(data)) as image:
        assert (image.format, image.size) == ("JPEG", (150, 50))
