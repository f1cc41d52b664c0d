"""A video scored in parts has the log that it has when it is scored in one piece."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fixtures.yuv.draw import encode, numbered, picture
from tests.command import SIZE
from tests.conftest import Run, draw_yuv
from tests.networks import student
from vmafsal.errors import InputError
from vmafsal.library.clips import Clip, read_clips
from vmafsal.library.scorer import ClipScorer
from vmafsal.library.segments import PartScores, divide, join_parts
from vmafsal.library.tasks import ScorePart
from vmafsal.video.segment import InexactError

H264 = {"g": "10", "bf": "3", "sc_threshold": "0"}


pytestmark = pytest.mark.usefixtures("placeholder_model")


@pytest.fixture(scope="module")
def mp4(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """48 pictures at 25 a second, a key frame every ten."""
    drawn = [picture(numbered(number)) for number in range(48)]
    return encode(tmp_path_factory.mktemp("segments") / "clip.mp4", drawn, options=H264)


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("segments") / "clip.yuv"
    path.write_bytes(draw_yuv(47, 48, 64))
    return path


def clip_of(video: Path, **options: Any) -> Clip:
    (clip,) = read_clips([str(video)], "out", options)
    return clip


def frames(path: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(path.read_text())["frames"]
    return found


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        ("mp4", ()),
        ("mp4", ("--frame_skip_dist", "7", "--frame_cnt", "31")),
        ("mp4", ("--subsample", "3", "--frame_skip_dist", "2")),
        ("mp4", ("--subsample", "17", "--frame_cnt", "40")),
        ("raw", ("--batch-size", "4")),
        ("raw", ("--subsample", "3", "--frame_skip_dist", "2")),
    ],
)
def test_the_log_is_that_of_the_whole(
    kind: str, more: tuple[str, ...], vmafsal: Run, tmp_path: Path, mp4: Path, raw: Path
) -> None:
    student(tmp_path / "student.onnx")
    video, size = (mp4, ()) if kind == "mp4" else (raw, SIZE)
    options = (*size, *more, "--precision", "max", "--json")
    options = (*options, "--feature", "mobilesal=model_path=student.onnx")
    done = vmafsal(video, *options, "-o", "whole.json")
    assert done.returncode == 0, done.stderr
    done = vmafsal(
        *("batch", video, *options, "--output-dir", "out", "--workers", "2", "--segment", "0.5")
    )
    assert done.returncode == 0, done.stderr
    assert "one piece" not in done.stderr
    divided = json.loads((tmp_path / "out" / "clip.json").read_text())
    whole = json.loads((tmp_path / "whole.json").read_text())
    assert [frame["frameNum"] for frame in divided["frames"]] == [
        frame["frameNum"] for frame in whole["frames"]
    ]
    for one, other in zip(divided["frames"], whole["frames"], strict=True):
        # Batches are cut elsewhere, which may turn the last bit of a float32 sum.
        assert one["metrics"] == pytest.approx(other["metrics"], abs=1e-7)
    provenance = divided["vmafsal"]
    for key in ("settings", "input", "truncated", "undecodable_frames", "features"):
        wanted = dict(whole["vmafsal"][key]) if key == "settings" else whole["vmafsal"][key]
        if key == "settings":
            assert provenance[key].pop("threads")
            wanted.pop("threads")
        assert provenance[key] == wanted
    if not more:
        # What was scored in parts holds for a run that does not divide, too.
        again = vmafsal("batch", video, *options, "--output-dir", "out")
        assert "0 of 1 clips scored" in again.stderr


def test_a_video_that_cannot_be_divided_is_scored_in_one_piece(
    vmafsal: Run, tmp_path: Path
) -> None:
    drawn = [picture(numbered(number)) for number in range(48)]
    refresh = {"bf": "0", "sc_threshold": "0", "x264-params": "intra-refresh=1:keyint=12"}
    encode(tmp_path / "refresh.mp4", drawn, options=refresh)
    encode(tmp_path / "old.avi", drawn, "mpeg4", options={"g": "10"})
    done = vmafsal("batch", "*.mp4", "*.avi", "-o", "out", "--workers", "2", "--segment", "0.5")
    assert done.returncode == 0, done.stderr
    assert "refresh.mp4 was scored in one piece: refresh.mp4 decodes otherwise" in done.stderr
    assert "old.avi was scored in one piece: packets of mpeg4" in done.stderr
    for name in ("refresh.mp4", "old.avi"):
        assert vmafsal(name, "-o", "whole.json").returncode == 0
        log = tmp_path / "out" / Path(name).with_suffix(".json")
        assert frames(log) == frames(tmp_path / "whole.json")


def test_a_reference_of_the_same_length_lets_a_clip_be_divided(
    mp4: Path, raw: Path, tmp_path: Path
) -> None:
    assert len(divide(clip_of(mp4).job, 0.5)) >= 3
    assert divide(clip_of(mp4).job, 60) == []
    size = {"width": 64, "height": 48}
    (tmp_path / "short.yuv").write_bytes(draw_yuv(30, 48, 64))
    (tmp_path / "clips.csv").write_text(
        "distorted,reference,width,height,frame_cnt,output\n"
        f"{raw},{raw},64,48,,a.json\n{raw},short.yuv,64,48,,b.json\n"
        f"{raw},short.yuv,64,48,30,c.json\n"
    )
    same, short, limited = (
        clip.job for clip in read_clips([str(tmp_path / "clips.csv")], "out", size)
    )
    assert len(divide(same, 0.5)) == 4
    with pytest.raises(InexactError, match=r"short\.yuv is not known to be"):
        divide(short, 0.5)
    assert [part.job.frame_cnt for part in divide(limited, 0.5)] == [13, 13, 4]
    assert all(part.job.reference is None for part in divide(same, 0.5))


def test_a_clip_that_a_gpu_must_decode_stays_whole(mp4: Path, raw: Path) -> None:
    with pytest.raises(InexactError, match="--hwaccel cuda decodes whole videos only"):
        divide(clip_of(mp4, hwaccel="cuda").job, 0.5)
    assert len(divide(clip_of(mp4, hwaccel="auto").job, 0.5)) >= 3
    sizes: dict[str, Any] = {"width": 64, "height": 48}
    assert divide(clip_of(raw, hwaccel="cuda", **sizes).job, 0.5)


@pytest.mark.parametrize("kind", ["mp4", "raw"])
def test_a_range_of_times_is_that_of_the_whole(
    kind: str, vmafsal: Run, tmp_path: Path, mp4: Path, raw: Path
) -> None:
    video, size = (mp4, ()) if kind == "mp4" else (raw, (*SIZE, "--framerate", "25"))
    options = (*size, "--start", "0.3", "--duration", "1.2")
    assert vmafsal(video, *options, "-o", "whole.json").returncode == 0
    done = vmafsal("batch", video, *options, "-o", "out", "--workers", "1", "--segment", "0.5")
    assert done.returncode == 0, done.stderr
    assert "was scored in one piece: --start and --duration count from" in done.stderr
    found = frames(tmp_path / "out" / "clip.json")
    assert len(found) == 30
    assert found == frames(tmp_path / "whole.json")


def test_what_is_wrong_with_a_clip_is_said_as_ever(
    vmafsal: Run, tmp_path: Path, mp4: Path, raw: Path
) -> None:
    with pytest.raises(InputError, match="leaves nothing"):
        divide(clip_of(raw, width=64, height=48, frame_skip_dist=100).job, 0.5)
    (tmp_path / "bad.mp4").write_bytes(b"no video")
    (tmp_path / "clips.csv").write_text(f"distorted,frame_skip_dist\nbad.mp4,\n{mp4},100\n")
    done = vmafsal("batch", "clips.csv", "-o", "out", "--segment", "1")
    assert done.returncode == 1
    assert "cannot be read as video" in done.stderr
    assert "No frame of" in done.stderr
    for seconds in ("0", "-1", "nan", "inf", "x"):
        assert vmafsal("batch", mp4, "-o", "out", "--segment", seconds).returncode == 2


def test_neighbours_that_disagree_are_not_joined(mp4: Path) -> None:
    clip = clip_of(mp4)
    parts = divide(clip.job, 0.5)
    scorer = ClipScorer("out", "ends", 1)
    scores = []
    for number, part in enumerate(parts):
        task = ScorePart(clip, part, number, len(parts))
        answer = scorer.do(task, lambda done, total, fps: None)
        assert isinstance(answer, PartScores)
        scores.append(answer)
    log = join_parts(clip.job, parts, scores, seconds=2.0)
    assert [frame.index for frame in log.frames] == list(range(48))
    assert log.fps == 24.0
    other_picture = replace(scores[1], head=[scores[1].head[0], 0])
    with pytest.raises(InexactError, match="depend on what lies before a key frame"):
        join_parts(clip.job, parts, [scores[0], other_picture, *scores[2:]], seconds=2.0)
    other_model = replace(scores[1], features={"saliency_mean": {"sha256": "0"}})
    with pytest.raises(InexactError, match="a model was changed"):
        join_parts(clip.job, parts, [scores[0], other_model, *scores[2:]], seconds=2.0)
