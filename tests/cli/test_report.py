"""vmafsal report, from the command line."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

pytest.importorskip("plotly")
pytest.importorskip("matplotlib")

from tests.command import invoke

ROOT = Path(__file__).resolve().parents[2]
VIDEO = ROOT / "fixtures" / "yuv" / "demo_dist.mp4"
REFERENCE = ROOT / "fixtures" / "yuv" / "demo_ref.mp4"
LOG = ROOT / "fixtures" / "yuv" / "expected" / "synthetic_64x48_yuv420p_8f__vmaf_psnr.json"


@pytest.fixture(scope="module")
def score(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("scored") / "score.json"
    model = "--feature=mobilesal=model_path=mobilesal_placeholder_v0"
    assert invoke(VIDEO, model, "-q", "-o", path)[0] == 0
    return path


def test_a_page_with_pictures_of_the_frames_that_matter(score: Path, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    status, _, said = invoke(
        "report", score, "--video", VIDEO, "--reference", REFERENCE, "-o", page
    )
    assert status == 0, said
    assert f"{page}: 48 frames of {score}." in said
    text = page.read_text("utf-8")
    # The greatest saliency, and a second one at least a second apart.
    assert text.count('<section class="frame"') == 2
    for label in ("reference", "distorted", "map", "overlay"):
        assert text.count(f"<figcaption>{label}</figcaption>") == 2


def test_without_a_video_there_are_no_pictures(tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    assert invoke("report", LOG, "-q", "-o", page)[0] == 0
    text = page.read_text("utf-8")
    assert "<img" not in text[: text.index("<script>")]
    assert "<td>vmaf</td>" in text


@pytest.mark.parametrize("ending", [".png", ".svg"])
def test_a_static_plot_with_scenes(tmp_path: Path, ending: str) -> None:
    scenes = tmp_path / "scenes.csv"
    scenes.write_text("Scene Number,Start Frame,End Frame\n1,1,4\n2,5,8\n", encoding="utf-8")
    plot = tmp_path / f"plot{ending}"
    assert invoke("report", LOG, "--scenes", scenes, "-o", plot)[0] == 0
    assert plot.read_bytes()[:5] in (b"\x89PNG\r", b"<?xml")


@pytest.mark.parametrize(
    ("words", "status", "says"),
    [
        (["-o", "report.pdf"], 2, "ends in none of .html, .htm, .png, .svg"),
        (["-o", "r.html", "--reference", "ref.mp4"], 2, "--reference is of use with --video alone"),
        (["-o", "r.html", "--video", "none.mp4"], 1, "none.mp4 does not exist"),
        (["-o", "r.html", "--scenes", "none.csv"], 1, "none.csv cannot be read"),
    ],
)
def test_mistakes_are_sentences_and_leave_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], status: int, says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(LOG, "score.json")
    found, _, said = invoke("report", "score.json", *words)
    assert (found, says in said) == (status, True), said
    assert sorted(path.name for path in tmp_path.iterdir()) == ["score.json"]


def test_another_video_is_refused(tmp_path: Path) -> None:
    page = tmp_path / "r.html"
    status, _, said = invoke("report", LOG.with_suffix(".xml"), "--video", VIDEO, "-o", page)
    assert (status, "Name the video that was scored." in said) == (1, True), said
    assert not page.exists()


def test_no_input_is_replaced(tmp_path: Path) -> None:
    log = tmp_path / "score.html"
    shutil.copy(LOG, log)
    before = log.read_bytes()
    status, _, _ = invoke("report", log, "-o", log)
    assert status == 1
    assert log.read_bytes() == before
