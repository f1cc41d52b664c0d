"""vmafsal worst: the table, the pictures, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.command import SIZE, invoke
from tests.conftest import PLACEHOLDER, draw_yuv

MODEL = ("--feature", f"mobilesal=model_path={PLACEHOLDER}")


def write_log(path: Path, count: int = 6, **facts: Any) -> Path:
    """vmaf falls and saliency rises, so that the last frame is the worst one."""
    frames = [
        {"frameNum": n, "metrics": {"vmaf": 90.0 - n, "saliency_mean": 0.1 + n / 100}}
        for n in range(count)
    ]
    path.write_text(json.dumps({"frames": frames} | ({"vmafsal": facts} if facts else {})))
    return path


def shown(out: str) -> list[list[str]]:
    lines = [line for line in out.splitlines() if line.startswith("│")]
    return [[cell.strip() for cell in line.strip("│").split("│")] for line in lines]


def test_table(tmp_path: Path) -> None:
    log = write_log(tmp_path / "log.json", 60)
    code, out, err = invoke("worst", log, "-n", "3", "--fps", "25")
    assert (code, err) == (0, "")
    assert shown(out) == [
        ["59", "0:00:02.360", "31.0000", "0.6900", "2"],
        ["34", "0:00:01.360", "56.0000", "0.4400", "52"],
        ["9", "0:00:00.360", "81.0000", "0.1900", "102"],
    ]
    assert (
        "3 of 60 frames, by the sum of two ranks (lowest vmaf first, highest saliency_mean first), "
        "at least 1 s apart.\n"
    ) in out


def test_rate_of_the_log(tmp_path: Path) -> None:
    log = write_log(tmp_path / "log.json", 60, input={"fps": 10.0})
    code, out, err = invoke("worst", log)
    assert (code, err) == (0, "")
    assert [row[:2] for row in shown(out)][:2] == [["59", "0:00:05.900"], ["49", "0:00:04.900"]]
    code, _, err = invoke("worst", write_log(tmp_path / "log.json", 60))
    assert (code, err) == (
        0,
        f"vmafsal: {log} holds no times and no frame rate: taken as 25 fps. Give --fps.\n",
    )
    assert invoke("worst", log, "-q")[2] == ""


def test_other_columns(tmp_path: Path) -> None:
    log = write_log(tmp_path / "log.json")
    code, out, _ = invoke("worst", log, "--low", "saliency_mean", "--high", "vmaf", "-n", "1")
    assert code == 0
    assert shown(out)[0][0] == "0"


def test_a_time_before_zero(tmp_path: Path) -> None:
    frame = {"frameNum": 0, "pts_time": -5, "metrics": {"vmaf": 90, "saliency_mean": 0.5}}
    (tmp_path / "log.json").write_text(json.dumps({"frames": [frame]}))
    assert shown(invoke("worst", tmp_path / "log.json")[1])[0][1] == "-0:00:05.000"


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "dist.yuv"
    path.write_bytes(draw_yuv(9, 48, 64))
    return path


def luma(path: Path, frame: int) -> np.ndarray[Any, Any]:
    size = 64 * 48 * 3 // 2
    raw = path.read_bytes()[frame * size : frame * size + 64 * 48]
    return np.frombuffer(raw, np.uint8).reshape(48, 64).astype(float)


def opened(path: Path) -> np.ndarray[Any, Any]:
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"), float)


def likeness(picture: Path, path: Path, frame: int) -> float:
    grey = opened(picture).mean(axis=2)
    return float(np.corrcoef(grey.ravel(), luma(path, frame).ravel())[0, 1])


def test_pictures(clip: Path, tmp_path: Path) -> None:
    reference = tmp_path / "ref.yuv"
    reference.write_bytes(draw_yuv(9, 48, 64, seed=1))
    # Frame 5 of the log is frame 7 of the distorted video and frame 6 of the reference.
    skips = {"frame_skip_dist": 2, "frame_skip_ref": 1}
    log = write_log(tmp_path / "log.json", settings=skips)
    folder = tmp_path / "new" / "worst"
    videos = ("--video", clip, "--reference", reference, *SIZE, *MODEL)
    code, out, err = invoke("worst", log, *videos, "--save", folder, "-n", "1", "-q")
    assert (code, err) == (0, "")
    assert shown(out)[0][0] == "5"
    names = sorted(path.name for path in folder.iterdir())
    assert names == [f"frame000005_{name}.png" for name in ("distorted", "overlay", "reference")]
    for name, path, frame in (("distorted", clip, 7), ("reference", reference, 6)):
        picture = folder / f"frame000005_{name}.png"
        assert opened(picture).shape == (48, 64, 3)
        alike = [likeness(picture, path, other) for other in range(9)]
        assert int(np.argmax(alike)) == frame
    assert not np.array_equal(opened(folder / names[0]), opened(folder / names[1]))


def test_frames_that_the_video_does_not_hold(clip: Path, tmp_path: Path) -> None:
    log = write_log(tmp_path / "log.json", 30)
    video = ("--video", clip, *SIZE, *MODEL, "--save", tmp_path, "-q")
    code, _, err = invoke("worst", log, *video, "--fps", "10")
    assert code == 1
    assert "dist.yuv shows none of the frames 9, 19, 29: name the video that was scored." in err
    assert not list(tmp_path.glob("*.png"))
    assert invoke("worst", log, *video, "--fps", "10", "--save", tmp_path / "new" / "one")[0] == 1
    assert not (tmp_path / "new").exists()
    code, _, err = invoke("worst", log, *video, "--fps", "22")
    assert (code, err) == (
        0,
        f"vmafsal: {clip} shows no frame 29: no picture was saved of it.\n",
    )
    names = sorted(path.name for path in tmp_path.glob("*.png"))
    assert names == ["frame000007_distorted.png", "frame000007_overlay.png"]


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (("--save", "out"), 2, "--save needs the video"),
        (("--video", "dist.yuv", "--save", ""), 2, "--save names no folder"),
        (("--video", "dist.yuv"), 2, "--video is of use with --save"),
        (("--reference", "ref.yuv"), 2, "--reference is of use with --video"),
        (("--batch-size", "2"), 2, "--batch-size is of use with --video"),
        (("--video", "", "--save", "out"), 2, "--video names no file"),
        (("-n", "0"), 2, ""),
        (("--fps", "0"), 2, ""),
        *((("--fps", rate), 2, "--fps is a frame rate") for rate in ("inf", "1e308")),
        (("--low", "vmag"), 1, "Did you mean vmaf?"),
        (("--video", "dist.yuv", *SIZE, *MODEL, "--save", "log.json"), 1, "is no folder"),
        (("--video", "none.mp4", "--save", "out"), 1, "does not exist"),
    ],
)
def test_wrong_usage(
    arguments: tuple[str, ...],
    code: int,
    sentence: str,
    clip: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    write_log(Path("log.json"))
    found, out, err = invoke("worst", "log.json", *arguments)
    assert (found, out) == (code, "")
    assert sentence in err
    assert not Path("out").exists()
