"""The static plot."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from tests.report.logs import log_of

pytest.importorskip("matplotlib")

from vmafsal.report.plot import draw_plot


def test_png_is_a_picture_and_svg_names_the_columns() -> None:
    log = log_of({"saliency_mean": [0.1, 0.3, 0.2], "vmaf": [90.0, 80.0, 85.0]})
    png = draw_plot(log, ".png", title="clip.mp4", cuts=[1])
    with Image.open(io.BytesIO(png)) as image:
        image.load()
        assert image.width > 1000
    svg = draw_plot(log, ".svg", title="clip.mp4", seconds={0: 0.0, 1: 0.04, 2: 0.08}).decode()
    assert svg.lstrip().startswith("<?xml")
    assert "seconds" in svg
