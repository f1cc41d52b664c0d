"""The page is whole in itself, and opens, draws and reacts in a browser."""

from __future__ import annotations

import io
import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.browser import faults
from tests.report.logs import log_of
from vmafsal.report.curves import Moment
from vmafsal.report.page import Shown, build_page

pytest.importorskip("plotly")


def picture(gray: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("L", (32, 24), gray).save(buffer, "JPEG")
    return buffer.getvalue()


def data_of(page: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.S)
    assert found is not None
    return dict(json.loads(found[1]))


def example(count: int = 300) -> str:
    x = np.arange(count)
    log = log_of({"saliency_mean": 0.2 + 0.1 * np.sin(x / 9), "vmaf": 90 - 5 * np.cos(x / 7)})
    shown = [
        Shown(Moment(20, "lowest vmaf", 85.0), {"distorted": picture(60), "map": picture(200)}),
        Shown(Moment(250, "highest saliency_mean", 0.3), {"distorted": picture(90)}),
    ]
    return build_page(log, title="dir/clip.mp4", sources=["score.json"], shown=shown, cuts=[100])


def test_the_page_holds_everything_it_shows() -> None:
    page = example()
    head = page[: page.index("<script>")]
    assert "http" not in head.replace("http-equiv", "")
    assert not re.search(r"<(?:script|img|link|iframe)[^>]*(?:src|href)=\"(?!data:)", head)
    assert "default-src 'none'" in head
    assert head.count("data:image/jpeg;base64,") == 3


def test_text_from_files_is_no_markup() -> None:
    log = log_of({'x"><script>alert(1)</script>': [1.0, 2.0]})
    page = build_page(log, title="<b>.mp4", sources=["</script>.json"])
    assert "<script>alert" not in page
    assert "<b>.mp4" not in page
    assert "&lt;b&gt;.mp4" in page
    names = [trace["name"] for trace in data_of(page)["curves"]["traces"]]
    assert names == ['x"><script>alert(1)</script>']


def test_null_is_a_gap_and_a_hundred_thousand_frames_are_thinned() -> None:
    values = np.linspace(0, 1, 100_000)
    values[500] = math.nan
    page = build_page(log_of({"saliency_mean": values}), title="a", sources=["a.json"])
    (trace,) = data_of(page)["curves"]["traces"]
    assert 500 in trace["x"]
    assert None in trace["y"]
    assert len(trace["x"]) < 7000


def test_times_stand_below_where_they_are_known() -> None:
    log = log_of({"saliency_mean": [0.1] * 50})
    seconds = {frame.index: frame.index / 25 for frame in log.frames}
    page = build_page(log, title="a", sources=["a.json"], seconds=seconds)
    assert data_of(page)["curves"]["layout"]["xaxis"]["ticktext"][-1] == "49<br>1.96 s"


@pytest.mark.browser
def test_a_browser_opens_it_draws_and_follows_a_click(browser: Any, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    page.write_text(example(), encoding="utf-8")
    browser.get(page.as_uri())
    assert browser.title == "clip.mp4"
    assert len(browser.find_elements("css selector", "#curves .scatterlayer .trace")) == 2
    assert browser.find_elements("css selector", "#histogram .barlayer path")
    # The pictures are decoded: an img that failed has no natural width.
    widths = browser.execute_script(
        "return [...document.images].map((image) => image.naturalWidth)"
    )
    assert widths == [32, 32, 32]
    plot = browser.find_element("css selector", "#curves .nsewdrag")
    from selenium.webdriver import ActionChains

    right = int(plot.size["width"] * 0.4)
    ActionChains(browser).move_to_element_with_offset(plot, right, 0).pause(0.5).click().perform()
    note = browser.find_element("id", "chosen").text
    assert note.endswith("the nearest stored frame is 250.")
    (chosen,) = browser.find_elements("css selector", ".frame.chosen")
    assert chosen.get_attribute("data-frame") == "250"
    assert faults(browser, page.as_uri()) == []
