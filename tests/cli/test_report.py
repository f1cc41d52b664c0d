"""vmafsal report, from the command line."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
from PIL import Image

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
        (["-o", "r.html", "--device", "cpu"], 2, "--device is of use with --video alone"),
        (["-o", "r.html", "--video", ""], 2, "--video names no file"),
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


def test_a_video_that_is_shorter_than_the_log_is_refused(tmp_path: Path) -> None:
    log, page = tmp_path / "log.json", tmp_path / "r.html"
    frames = [{"frameNum": number, "metrics": {"vmaf": 50.0}} for number in (48, 49)]
    log.write_text(json.dumps({"frames": frames}), "utf-8")
    model = "--feature=mobilesal=model_path=mobilesal_placeholder_v0"
    status, _, said = invoke("report", log, "--video", VIDEO, model, "-o", page)
    assert status == 1
    assert f"{VIDEO} shows none of the frames 48: name the video that was scored" in said
    assert not page.exists()


def test_no_input_is_replaced(tmp_path: Path) -> None:
    log = tmp_path / "score.html"
    shutil.copy(LOG, log)
    before = log.read_bytes()
    status, _, _ = invoke("report", log, "-o", log)
    assert status == 1
    assert log.read_bytes() == before
    one = tmp_path / "img_1.png"
    Image.new("RGB", (64, 48)).save(one)
    kept = one.read_bytes()
    status, _, said = invoke("report", LOG, "--video", tmp_path / "img_%d.png", "-o", one)
    assert (status, one.read_bytes()) == (1, kept)
    assert "is a file that this run reads" in said


def test_notices_of_the_join_are_printed(score: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.json"
    log = json.loads(score.read_text("utf-8"))
    log["vmafsal"]["settings"]["frame_skip_dist"] = 4
    for frame in log["frames"]:
        frame["metrics"] = {"vmaf": 50.0 + frame["frameNum"]}
    cut.write_text(json.dumps(log), "utf-8")
    page = tmp_path / "r.html"
    status, _, said = invoke("report", score, cut, "-o", page)
    assert status == 0, said
    assert f"{cut} begins with frame 4 of its video, so its frame 0 was joined as frame 4." in said
    assert "cut.json" not in invoke("report", score, cut, "-q", "-o", page)[2]


def test_pictures_and_cuts_are_found_where_the_log_begins(tmp_path: Path) -> None:
    cut, page, skipping = tmp_path / "cut.json", tmp_path / "r.html", ("--frame_skip_dist", "20")
    model = "--feature=mobilesal=model_path=mobilesal_placeholder_v0"
    assert invoke(VIDEO, model, *skipping, "-q", "-o", cut)[0] == 0
    scenes = tmp_path / "scenes.csv"
    scenes.write_text("Scene Number,Start Frame,End Frame\n1,1,24\n2,25,48\n", encoding="utf-8")
    words = ("report", cut, "--video", VIDEO, model, "--scenes", scenes, "-q", "-o", page)

    def images() -> list[str]:
        text = page.read_text("utf-8")
        return re.findall(r'src="(data:[^"]*)"', text[: text.index("<script>")])

    assert invoke(*words)[0] == 0
    found = images()
    assert len(found) == 6  # two frames: picture, map, overlay
    assert re.search(r'"x0": 4\b', page.read_text("utf-8"))
    # By hand, the log says nothing about it.
    log = json.loads(cut.read_text("utf-8"))
    del log["vmafsal"]
    cut.write_text(json.dumps(log), "utf-8")
    assert invoke(*words, *skipping)[0] == 0
    assert images() == found
    assert invoke(*words)[0] == 0
    assert images() != found


def test_infinity_and_odd_provenance_in_a_log(tmp_path: Path) -> None:
    log, page = tmp_path / "log.json", tmp_path / "r.html"
    frames = [
        {"frameNum": number, "metrics": {"saliency_mean": 0.1, "psnr_y": float("inf")}}
        for number in range(2)
    ]
    for join in (5, {"logs": 5}, {"logs": [5, {"vmafsal": [5]}]}):
        log.write_text(json.dumps({"frames": frames, "vmafsal": {"join": join}}), "utf-8")
        status, _, said = invoke("report", log, "-o", page)
        assert status == 0, said
        assert '"y": [null, null]' in page.read_text("utf-8")


def test_names_with_signs_of_templates_and_formulas(tmp_path: Path) -> None:
    log = tmp_path / "{{data}} $\\frac$.json"
    shutil.copy(LOG, log)
    page = tmp_path / "r.html"
    assert invoke("report", log, "-o", page)[0] == 0
    assert page.read_text("utf-8").count("<title>{{data}} $\\frac$.json</title>") == 1
    assert invoke("report", log, "-o", tmp_path / "r.svg")[0] == 0
