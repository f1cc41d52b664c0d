"""Views of a frame and its map, and the files that hold them."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from vmafsal.errors import OutputError, UsageError
from vmafsal.maps.archive import MapArchive
from vmafsal.maps.drawing import colored
from vmafsal.maps.movie import Movie, has_audio
from vmafsal.maps.png import encode_png
from vmafsal.maps.views import VIEWS, View, gray_levels
from vmafsal.video.frame import Frame

RAMP = np.repeat(np.linspace(0, 1, 64, dtype=np.float32)[None], 48, axis=0)


def gray_frame(level: int = 126, height: int = 48, width: int = 64) -> Frame:
    return Frame((np.full((height, width), level, np.uint8),), "400", 8, 0)


@pytest.mark.parametrize("kind", VIEWS)
def test_a_view_has_the_size_that_it_says(kind: str) -> None:
    view = View(kind)
    small = RAMP[::4, ::4]
    assert view.draw(gray_frame(), small).shape == (*view.size(48, 64), 3)


def test_side_by_side_is_the_picture_and_then_the_map() -> None:
    picture = View("side-by-side", "viridis").draw(gray_frame(), RAMP)
    left, right = picture[:, :64], picture[:, 64:]
    # (126 - 16) / 219 of white
    assert (left == 128).all()
    np.testing.assert_array_equal(right, colored(RAMP, "viridis"))


def test_gray_levels_keep_the_maps_own_range() -> None:
    levels = gray_levels(RAMP * 0.5, 48, 64, 16)
    assert (levels.min(), levels.max()) == (0, 32768)
    assert gray_levels(RAMP, 48, 64, 8).max() == 255
    outside = np.array([[-1.0, 2.0]], np.float32)
    assert gray_levels(outside, 1, 2, 8).tolist() == [[0, 255]]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_png_is_without_loss(dtype: Any) -> None:
    picture: NDArray[Any] = np.arange(48 * 64, dtype=dtype).reshape(48, 64)
    with Image.open(io.BytesIO(encode_png(picture))) as image:
        read = np.asarray(image)
    np.testing.assert_array_equal(read, picture)


def test_views_that_cannot_be() -> None:
    with pytest.raises(UsageError, match="no view 'heat'"):
        View("heat")
    with pytest.raises(UsageError, match="no colour map 'jet'"):
        View("map", "jet")
    with pytest.raises(UsageError, match=r"from 0 to 1, not 1\.5"):
        View(alpha=1.5)


def test_an_archive_is_what_numpy_reads(tmp_path: Path) -> None:
    with MapArchive(str(tmp_path)) as archive:
        for place in range(3):
            archive.add(RAMP * place, 10 + place, None if place == 2 else place / 25)
        with (tmp_path / "m.npz").open("wb") as file:
            archive.save(file.write)
    with np.load(tmp_path / "m.npz") as read:
        assert read["maps"].dtype == np.float32
        np.testing.assert_array_equal(read["maps"], [RAMP * 0, RAMP, RAMP * 2])
        assert read["frames"].tolist() == [10, 11, 12]
        np.testing.assert_array_equal(read["times"], [0.0, 0.04, np.nan])
    assert [path.name for path in tmp_path.iterdir()] == ["m.npz"]


@pytest.mark.parametrize(("height", "width"), [(48, 64), (47, 63)])
def test_a_movie_keeps_size_times_and_colours(height: int, width: int, tmp_path: Path) -> None:
    path = str(tmp_path / "m.mp4")
    colors = [(200, 30, 40), (20, 180, 60), (30, 40, 210)]
    times = [0.0, 0.04, 0.2]
    with Movie(path, "mp4", height, width, 25.0, path) as movie:
        for color, seconds in zip(colors, times, strict=True):
            movie.add(np.full((height, width, 3), color, np.uint8), seconds)
        movie.finish()
    with av.open(path) as container:
        frames = list(container.decode(video=0))
    assert [round(frame.time or 0, 3) for frame in frames] == times
    for frame, color in zip(frames, colors, strict=True):
        assert (frame.height, frame.width) == (height, width)
        assert abs(frame.to_ndarray(format="rgb24").mean(axis=(0, 1)) - color).max() < 4
    assert not has_audio(path)


def test_a_movie_that_cannot_be(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="at most 16384 pixels a side"):
        Movie(str(tmp_path / "m.mp4"), "mp4", 100, 20_000, 25.0, "m.mp4")
