"""The page in a browser: what a person does there, from opening it to the end of the server."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.browser import faults
from tests.command import DEMO, invoke
from tests.conftest import ROOT
from vmafsal.models.registry import packaged_registry

MODEL = packaged_registry().default
VIDEO = DEMO / "demo_dist.mp4"
PATIENCE = 500
"""Seconds until a page that shows nothing is given up; no measure of speed."""


def free_port() -> int:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return int(server.getsockname()[1])


def until(found: Callable[[], Any], what: str) -> Any:
    """Wait until something is there."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        with suppress(Exception):  # elements are replaced while the page is drawn anew
            if result := found():
                return result
        time.sleep(0.1)
    raise AssertionError(f"{what} did not come")


@contextmanager
def served(folder: Path, *args: str | Path) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A server of the page, with temporary folders in a folder of its own."""
    pytest.importorskip("streamlit")
    port = free_port()
    running = subprocess.Popen(
        [sys.executable, "-m", "vmafsal", "explore", *map(str, args), "--port", str(port)],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(folder), "HOME": str(folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    address = f"http://127.0.0.1:{port}"
    try:

        def healthy() -> bool:
            assert running.poll() is None
            with urllib.request.urlopen(f"{address}/_stcore/health", timeout=5) as answer:
                return bool(answer.read() == b"ok")

        until(healthy, "the server")
        yield address, running
    finally:
        if running.poll() is None:
            running.kill()
        running.communicate()


def end(running: subprocess.Popen[str], number: int, folder: Path) -> str:
    """End the server by a signal; gives what it printed on standard error."""
    running.send_signal(number)
    _, err = running.communicate(timeout=PATIENCE)
    assert running.returncode == 0, err
    assert list(folder.glob("vmafsal-*")) == []
    return err


class Page:
    """What a person sees and does on the page."""

    def __init__(self, browser: Any) -> None:
        self.browser = browser

    def all(self, selector: str) -> list[Any]:
        return list(self.browser.find_elements("css selector", selector))

    def text(self) -> str:
        return str(self.browser.find_element("tag name", "body").text)

    def says(self, *parts: str) -> None:
        """Wait until the page has some text and is drawn to its end."""
        until(lambda: self.idle() and all(part in self.text() for part in parts), str(parts))

    def idle(self) -> bool:
        return not self.all("[data-testid=stStatusWidget]")

    def upload(self, role: str, path: Path) -> None:
        (place,) = self.all(f".st-key-upload-{role} input[type=file]")
        place.send_keys(str(path))

    def choose(self, key: str, value: str) -> None:
        """Open a list, type, and take what is offered; again if a redraw closed the list."""
        from selenium.webdriver import Keys

        def taken() -> bool:
            box = self.all(f".st-key-{key} input[role=combobox]")[-1]
            box.click()
            box.send_keys(Keys.CONTROL + "a")
            box.send_keys(value)
            for _ in range(50):
                for option in self.all("[role=option]"):
                    if option.text.startswith(value):
                        option.click()
                        return True
                time.sleep(0.1)
            box.send_keys(Keys.ESCAPE)
            return False

        until(taken, f"the choice {value}")

    def expand(self) -> None:
        """Open every part that is folded."""
        until(
            lambda: not [one.click() for one in self.all("details:not([open]) > summary")],
            "the folded parts",
        )

    def press(self, label: str) -> None:
        until(
            lambda: [
                button.click() or True
                for button in self.all("button")
                if button.text.startswith(label)
            ],
            f"the button {label}",
        )

    def curves(self) -> list[Any]:
        return self.all(".js-plotly-plot .scatterlayer .trace")

    def sources(self) -> list[str]:
        """Of the pictures that are decoded."""
        return list(
            self.browser.execute_script(
                "return [...document.querySelectorAll('[data-testid=stImage] img')]"
                ".filter((image) => image.complete && image.naturalWidth > 0)"
                ".map((image) => image.src)"
            )
        )


@pytest.mark.browser
@pytest.mark.timeout(1800)  # one session for all, which takes long on a busy machine
def test_a_person_explores_a_video(browser: Any, tmp_path: Path) -> None:
    from selenium.webdriver import ActionChains, Keys

    folder = tmp_path / "tmp"
    folder.mkdir()
    vmaf = tmp_path / "vmaf.csv"
    rows = "".join(f"{number},{90 - number / 10},\n" for number in range(48))
    vmaf.write_text(f"Frame,vmaf,\n{rows}")
    page = Page(browser)
    with served(folder, VIDEO, "--log", vmaf) as (address, running):
        # The frame, its map, the map over it, and the curve of the log.
        browser.get(address)
        page.says("frame 0, 0.000 s, 320x180", f"{MODEL}: mean 0.1")
        before = until(lambda: len(page.sources()) == 3 and page.sources(), "three pictures")
        assert len(page.curves()) == 1

        # Another frame has another picture and another map.
        (thumb,) = page.all(".st-key-frame input[type=range]")
        thumb.send_keys(Keys.ARROW_RIGHT * 3)
        page.says("frame 3, 0.125 s")
        until(lambda: len(set(page.sources()) - set(before)) == 3, "three other pictures")

        # The whole curve beside the log's; a click on it goes to its frame.
        page.press("Score all 48 frames")
        until(lambda: len(page.curves()) == 2 and page.idle(), "two curves")
        names = {one.text for one in page.all(".js-plotly-plot .legendtext")}
        assert names == {"saliency_mean", "vmaf"}
        points = page.all(".js-plotly-plot .scatterlayer .points path")
        assert len(points) == 2 * 48
        ActionChains(browser).move_to_element(points[30]).pause(1).click().perform()
        page.says("frame 30, 1.250 s")

        # Another model beside it, and steps that leave 0 to 1.
        page.expand()
        page.choose("scale", "zscore")
        page.says('--post "zscore"', "drawn from its least", "mean 0.0000", "not of those chosen")
        page.choose("scale", "none")
        page.choose("models", "mobilesal_placeholder_v0")
        page.says("mobilesal_placeholder_v0: mean", f"{MODEL}: mean 0.1")
        until(lambda: len(page.sources()) == 5, "five pictures")

        # Scores by a ground truth, and one of another size.
        mask = np.zeros((180, 320), np.uint8)
        mask[40:120, 60:140] = 255
        Image.fromarray(mask).save(tmp_path / "mask.png")
        Image.fromarray(mask[:90]).save(tmp_path / "half.png")
        page.upload("truth", tmp_path / "half.png")
        page.says("half.png is 320x90, and the video 320x180")
        page.upload("truth", tmp_path / "mask.png")
        page.says("precision", "recall", "IoU")

        # What is no video is a sentence.
        (tmp_path / "story.mp4").write_text("no video, but a story\n" * 30)
        (tmp_path / "empty.mp4").touch()
        page.upload("video", tmp_path / "story.mp4")
        page.says("story.mp4 cannot be read as video")
        assert "Traceback" not in page.text()
        assert "video-" not in page.text()
        page.upload("video", tmp_path / "empty.mp4")
        page.says("empty.mp4 is empty")

        # A picture that is uploaded takes the place of the video.
        photo = tmp_path / "..photo.png"
        Image.fromarray(np.full((60, 80, 3), 90, np.uint8)).save(photo)
        page.upload("video", photo)
        page.says("frame 0, 80x60")
        held = [path for path in folder.rglob("vmafsal-*/**/*") if path.is_file()]
        assert photo.read_bytes() in [path.read_bytes() for path in held]
        assert all(path.name.startswith(("video-", "truth-")) for path in held)

        assert faults(browser, address) == []
        printed = end(running, signal.SIGINT, folder)
        assert printed == f"vmafsal: Open {address} in a browser; Ctrl-C ends it.\n"


def test_a_scheduler_ends_it_and_nothing_is_left(tmp_path: Path) -> None:
    with served(tmp_path) as (_, running):
        assert len(list(tmp_path.glob("vmafsal-*"))) == 1
        end(running, signal.SIGTERM, tmp_path)


@pytest.mark.parametrize(
    ("args", "status", "sentence"),
    [
        (("no.mp4",), 1, "no.mp4 does not exist"),
        (("story.mp4",), 1, "story.mp4"),
        (("-",), 2, "give a file, not a pipe"),
        (("clip.yuv",), 2, "--width"),
        ((str(VIDEO), "--log", "no.json"), 1, "no.json does not exist"),
        (("--width", "64"), 2, "is of use with"),
        (("--port", "0"), 2, "--port"),
        (("--host", "999.1.1.1"), 2, "cannot be listened at"),
    ],
)
def test_what_cannot_be_is_a_sentence_before_anything_is_served(
    args: tuple[str, ...],
    status: int,
    sentence: str,
    clip: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("streamlit")
    monkeypatch.chdir(clip.parent)
    Path("story.mp4").write_text("no video, but a story\n" * 30)
    code, _, err = invoke("explore", *args)
    assert (code, sentence in err) == (status, True), err


def test_a_port_that_is_taken_is_a_sentence() -> None:
    pytest.importorskip("streamlit")
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        code, _, err = invoke("explore", "--port", port)
    assert (code, f"127.0.0.1:{port} cannot be listened at" in err) == (2, True), err


def test_without_the_extra_it_names_the_command_to_type(tmp_path: Path) -> None:
    hidden = (
        "import sys; sys.modules['streamlit'] = None; from vmafsal.__main__ import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", hidden, "explore", str(VIDEO)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr == ("vmafsal: The page needs Streamlit: pip install 'vmafsal[explore]'\n")
