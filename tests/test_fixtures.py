"""The clips of the repository are small, whole, and what their script draws."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from fixtures.yuv import draw
from vmafsal.video import check_pair, open_source

FOLDER = Path(__file__).parent.parent / "fixtures" / "yuv"


def test_all_of_them_stay_small() -> None:
    assert sum(file.stat().st_size for file in FOLDER.rglob("*") if file.is_file()) < 600_000


def test_the_demo_pair_can_be_compared() -> None:
    with (
        open_source(str(FOLDER / "demo_ref.mp4")) as reference,
        open_source(str(FOLDER / "demo_dist.mp4")) as distorted,
    ):
        check_pair(reference, distorted)
        assert reference.count() == distorted.count() == draw.DEMO_FRAMES
        assert (distorted.info.width, distorted.info.height) == draw.DEMO_SIZE
        assert (distorted.info.matrix, distorted.info.full_range) == ("bt709", False)
        assert sum(1 for _ in distorted.frames()) == draw.DEMO_FRAMES
        assert reference.notices == distorted.notices == []


@pytest.mark.parametrize(("name", "error"), [("demo_ref.mp4", 3.0), ("demo_dist.mp4", 9.0)])
def test_the_demo_shows_what_the_script_draws(name: str, error: float) -> None:
    drawn = [draw.planes_from_rgb(rgb)[0] for rgb in draw.balloon()]
    with open_source(str(FOLDER / name)) as source:
        for frame, luma in zip(source.frames(), drawn, strict=True):
            difference = frame.planes[0].astype(np.float64) - luma
            assert np.sqrt((difference**2).mean()) < error


@pytest.mark.parametrize("chroma", ["420", "422", "444"])
@pytest.mark.parametrize("size", [(64, 48), (35, 27)])
def test_the_synthetic_clips_have_a_figure_for_each_frame(
    size: tuple[int, int], chroma: str
) -> None:
    name = f"synthetic_{size[0]}x{size[1]}_yuv{chroma}p_8f"
    figures = FOLDER / "expected" / f"{name}__mobilesal.max.json"
    frames = json.loads(figures.read_text())["frames"]
    width, height = size
    with open_source(
        str(FOLDER / f"{name}_dist.yuv"), width=width, height=height, chroma=chroma
    ) as source:
        assert source.count() == len(frames) == 8
        assert not source.truncated


@pytest.mark.parametrize("number", [0, 1, 128, 170, 255])
@pytest.mark.parametrize("size", [(128, 96), (113, 49)])
def test_a_number_can_be_read_back(number: int, size: tuple[int, int]) -> None:
    luma = draw.numbered(number, *size)[0]
    assert draw.number_in(luma) == number
    assert draw.number_in(luma.astype(np.uint16) * np.uint16(16)) == number
