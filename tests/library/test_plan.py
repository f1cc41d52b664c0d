"""A run is checked as a whole before anything is written."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.conftest import PLACEHOLDER
from tests.networks import student
from vmafsal.errors import UsageError
from vmafsal.library.clips import read_clips
from vmafsal.library.plan import make_plan, take_shard


def test_shards_share_out_every_clip_once(tmp_path: Path) -> None:
    for number in range(7):
        (tmp_path / f"{number}.mp4").touch()
    clips = read_clips([str(tmp_path / "*.mp4")], "out")
    parts = [take_shard(clips, f"{part}/3") for part in (1, 2, 3)]
    assert [len(part) for part in parts] == [3, 2, 2]
    assert sorted(clip.output for part in parts for clip in part) == [clip.output for clip in clips]
    for text in ("0/3", "4/3", "1", "1/", "a/b", "1/0", "-1/3", ""):
        with pytest.raises(UsageError, match="--shard"):
            take_shard(clips, text)


def test_no_output_replaces_a_model_or_its_sidecar(tmp_path: Path) -> None:
    models = tmp_path / "models"
    models.mkdir()
    shutil.copy(PLACEHOLDER, models / "my.onnx")
    video = tmp_path / "my.mp4"
    video.touch()
    use = {"feature": [f"mobilesal=model_path={models / 'my.onnx'}"]}
    # Its sidecar need not be there: a log in its place would be read as one.
    with pytest.raises(UsageError, match=r"my\.mp4: its log would replace .*my\.json"):
        make_plan([str(video)], str(models), use)
    (models / "my.json").write_text("{}")
    with pytest.raises(UsageError, match=r"my\.json, which this run reads"):
        make_plan([str(video)], str(models), use)
    assert make_plan([str(video)], str(tmp_path), use).outputs == ["my.json"]
    # The same folder by another name, and the model itself.
    (tmp_path / "link").symlink_to(models)
    with pytest.raises(UsageError, match="would replace"):
        make_plan([str(video)], str(tmp_path / "link"), use)
    (tmp_path / "clips.csv").write_text("distorted,output,json\nmy.mp4,my.onnx,yes\n")
    with pytest.raises(UsageError, match=r"my\.onnx, which this run reads"):
        make_plan([str(tmp_path / "clips.csv")], str(models), use)
    assert (models / "my.onnx").read_bytes() == PLACEHOLDER.read_bytes()


def test_no_output_replaces_external_weights(tmp_path: Path) -> None:
    import onnx

    student(tmp_path / "my.onnx")
    onnx.save(
        onnx.load(tmp_path / "my.onnx"),
        tmp_path / "my.onnx",
        save_as_external_data=True,
        location="weights.json",
        size_threshold=0,
    )
    (tmp_path / "weights.mp4").touch()
    use = {"feature": [f"mobilesal=model_path={tmp_path / 'my.onnx'}"]}
    with pytest.raises(UsageError, match=r"weights\.json, which this run reads"):
        make_plan([str(tmp_path / "weights.mp4")], str(tmp_path), use)


@pytest.mark.parametrize("shard", [None, "1/2"])
def test_no_output_replaces_a_video_of_any_clip(tmp_path: Path, shard: str | None) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "b.yuv").touch()
    os.link(out / "b.yuv", tmp_path / "other name.yuv")
    (tmp_path / "clips.csv").write_text(
        "distorted,reference,output,json\na.mp4,,b.yuv,1\nb.mp4,other name.yuv,,\n"
    )
    with pytest.raises(UsageError, match=r"line 2 .* would replace .*other name\.yuv"):
        make_plan([str(tmp_path / "clips.csv")], str(out), shard=shard)


@pytest.mark.parametrize("name", ["summary.csv", "summary.jsonl"])
def test_a_summary_does_not_replace_the_manifest(tmp_path: Path, name: str) -> None:
    line = "distorted\na.mp4\n" if name.endswith("csv") else '{"distorted": "a.mp4"}\n'
    (tmp_path / name).write_text(line)
    with pytest.raises(UsageError, match=rf"{name} would replace .*{name}, which this run reads"):
        make_plan([str(tmp_path / name)], str(tmp_path))
    assert make_plan([str(tmp_path / name)], str(tmp_path), shard="1/1").outputs == ["a.json"]
