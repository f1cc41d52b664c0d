"""Which clips a manifest or a pattern names, and what is refused before anything runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import PLACEHOLDER
from vmafsal.errors import InputError, UsageError, VmafsalError
from vmafsal.library.clips import Clip, read_clips
from vmafsal.library.record import settings


def manifest(folder: Path, text: str, name: str = "clips.csv") -> str:
    path = folder / name
    path.write_text(text)
    return str(path)


def read(folder: Path, text: str, name: str = "clips.csv", **defaults: Any) -> list[Clip]:
    return read_clips([manifest(folder, text, name)], str(folder / "out"), defaults)


def refused(folder: Path, text: str, name: str = "clips.csv", **defaults: Any) -> str:
    with pytest.raises(UsageError) as caught:
        read(folder, text, name, **defaults)
    return str(caught.value)


def test_every_column_reaches_the_job(tmp_path: Path) -> None:
    (clip,) = read(
        tmp_path,
        "reference,distorted,width,height,pixel_format,bitdepth,output,frame_cnt,frame_skip_ref,"
        "frame_skip_dist,subsample,feature,device,threads,batch_size,precision,csv\n"
        "r.yuv,sub/d.yuv,0x40,48,422,10,deep/one.log,5,1,2,3,mobilesal=color=bt601,cpu,2,4,9,yes\n",
    )
    job = clip.job
    assert (job.reference, job.distorted) == (str(tmp_path / "r.yuv"), str(tmp_path / "sub/d.yuv"))
    assert (job.width, job.height, job.pixel_format, job.bitdepth) == (64, 48, "422", 10)
    assert (job.frame_cnt, job.frame_skip_ref, job.frame_skip_dist, job.subsample) == (5, 1, 2, 3)
    assert (job.device, job.threads, job.batch_size) == ("cpu", 2, 4)
    assert job.features[0].color == "bt601"
    assert (clip.output, clip.format, clip.precision) == ("deep/one.log", "csv", "9")


def test_json_lines_say_the_same_and_take_lists(tmp_path: Path) -> None:
    row = {
        "distorted": "d.yuv",
        "width": 64,
        "height": "48",
        "reference": None,
        "feature": ["mobilesal", "mobilesal=color=bt709:name=b"],
        "xml": True,
    }
    (clip,) = read(tmp_path, f"\n{json.dumps(row)}\n", "clips.jsonl")
    assert [feature.column for feature in clip.job.features] == [
        *("saliency_mean", "saliency_mean_b"),
    ]
    assert (clip.job.width, clip.job.height, clip.job.reference) == (64, 48, None)
    assert (clip.output, clip.format) == ("d.xml", "xml")


def test_rows_go_before_the_command_line(tmp_path: Path) -> None:
    first, second = read(
        tmp_path, "distorted,subsample\na.mp4,\nb.mp4,4\n", subsample=2, csv=True, precision="max"
    )
    assert (first.job.subsample, second.job.subsample) == (2, 4)
    assert (first.output, first.format, first.precision) == ("a.csv", "csv", "max")


def test_times_are_a_column_too(tmp_path: Path) -> None:
    first, second = read(tmp_path, "distorted,times\na.mp4,yes\nb.mp4,\n")
    assert (first.times, second.times) == (True, False)


def test_what_is_asked_of_a_gpu_is_a_column_too(tmp_path: Path) -> None:
    first, second = read(tmp_path, "distorted,hwaccel,tf32\na.mp4,auto,yes\nb.mp4,,\n", csv=True)
    assert (first.job.hwaccel, first.job.tf32) == ("auto", True)
    assert (second.job.hwaccel, second.job.tf32) == ("none", False)
    assert (first.format, second.format) == ("csv", "csv")
    assert settings(first)["tf32"] is True
    assert settings(first)["hwaccel"] == "auto"


def test_semicolons_marks_and_spellings_of_spreadsheets(tmp_path: Path) -> None:
    path = tmp_path / "clips.csv"
    path.write_bytes("\ufeffDistorted;Pixel-Format; --frame_cnt\r\na b.yuv;444;3\r\n\r\n".encode())
    (clip,) = read_clips([str(path)], str(tmp_path / "out"))
    assert clip.job.distorted == str(tmp_path / "a b.yuv")
    assert (clip.job.pixel_format, clip.job.frame_cnt) == ("444", 3)


def test_a_models_path_counts_from_the_manifest_and_an_id_stays(tmp_path: Path) -> None:
    (tmp_path / "my.onnx").write_bytes(PLACEHOLDER.read_bytes())
    first, second = read(
        tmp_path,
        "distorted,feature\na.mp4,mobilesal=model_path=my.onnx\n"
        "b.mp4,mobilesal=model_path=mobilesal_placeholder_v0\n",
    )
    assert first.job.features[0].model_path == str(tmp_path / "my.onnx")
    assert second.job.features[0].model_path == "mobilesal_placeholder_v0"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("distorted,widht\na.yuv,3\n", ["widht", "Did you mean width?"]),
        ("distorted,model\na.yuv,m.onnx\n", ["column feature", "mobilesal=model_path"]),
        ("distorted,distorted\na,b\n", ["two columns named distorted"]),
        ("reference\na\n", ["no column named distorted"]),
        ("distorted,width\na,64\nb,6x4\nc,1,2\n", ["line 3 of clips.csv", "'6x4'", "line 4"]),
        ("distorted,pixel_format\na,421\n", ["line 2", "421"]),
        ("distorted,subsample\na,0\n", ["line 2", "--subsample"]),
        ("distorted,feature\na,psnr\n", ["line 2", "psnr"]),
        ("distorted,precision\na,18\n", ["line 2", "18"]),
        ("distorted,csv,json\na,1,1\n", ["line 2", "--json and --csv"]),
        ("distorted,csv\na,perhaps\n", ["line 2", "true or false"]),
        ("distorted,width\n,64\n", ["line 2", "distorted is empty"]),
        ("distorted,output\n-,a.json\n", ["line 2", "standard input"]),
        ("distorted,output\na,x.json\nb,./x.json\n", ["line 3", "x.json", "line 2"]),
        ("distorted,output\na,x\nb,x/y.json\n", ["line 3", "where x is an output"]),
        ("distorted,output\na,../x.json\nb,/x.json\n", ["line 2", "line 3", "outside"]),
        ("distorted,output\na,summary.jsonl\n", ["line 2", "summary"]),
        ("distorted,output\nd/a.mp4,\n../e/a.mp4,d/a.json\n", ["line 3", "d/a.json"]),
        ('distorted,output\n"a,b\n', ["not CSV"]),
    ],
)
def test_bad_rows_are_named_before_anything_runs(
    tmp_path: Path, text: str, words: list[str]
) -> None:
    said = refused(tmp_path, text)
    for word in words:
        assert word in said
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{", ["line 1", "not JSON"]),
        ("[1]", ["line 1", "not a JSON object"]),
        ('{"distorted": "a", "heigth": 3}', ["line 1", "Did you mean height?"]),
        ('{"distorted": "a", "width": 3.5}', ["line 1", "whole number"]),
        ('{"distorted": "a", "width": true}', ["line 1", "whole number"]),
        ('{"distorted": "a", "width": 3, "width": 4}', ["line 1", "width twice"]),
        ('{"distorted": "a", "width": 3, "--width": 4}', ["line 1", "width twice"]),
        ('{"distorted": ["a"]}', ["line 1", "distorted is a text"]),
        ('{"distorted": "a", "feature": [1]}', ["line 1", "list of texts"]),
    ],
)
def test_bad_json_rows(tmp_path: Path, line: str, words: list[str]) -> None:
    said = refused(tmp_path, line + "\n", "clips.jsonl")
    for word in words:
        assert word in said


def test_many_bad_rows_are_counted(tmp_path: Path) -> None:
    said = refused(tmp_path, "distorted,width\n" + "a,b\n" * 30)
    assert "line 11 of" in said
    assert "line 12 of" not in said
    assert "20 more" in said


def test_what_cannot_be_read_at_all(tmp_path: Path) -> None:
    out = str(tmp_path / "out")
    (tmp_path / "latin.csv").write_bytes(b"distorted\n\xe9.mp4\n")
    manifest(tmp_path, "distorted\n", "empty.csv")
    for name, word in (
        ("missing.csv", "cannot be read"),
        ("latin.csv", "UTF-8"),
        ("empty.csv", "names no clip"),
        ("*.mp4", "matches no file"),
        ("missing.mp4", r"does not exist: name videos, .* or a manifest"),
        (".", r"is a folder: name its videos '.*\*\*/\*\.mp4', quoted"),
    ):
        with pytest.raises(InputError, match=word):
            read_clips([str(tmp_path / name)], out)
    for name in ("-", "seq/img_%03d.png"):
        with pytest.raises(InputError, match=f"a batch scores files alone: vmafsal {name} scores"):
            read_clips([name], out)
    with pytest.raises(InputError, match="--output-dir is never scored: name another folder"):
        read_clips([str(tmp_path / "latin.*")], str(tmp_path))
    with pytest.raises(VmafsalError, match="only input of its run"):
        read_clips([str(tmp_path / "empty.csv"), "a.mp4"], out)


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    for name in ("a.mp4", "x/a.mp4", "x/a.mkv", "x/b[1].mp4", "x/deep/a.mp4", "out/z.mp4"):
        path = tmp_path / "videos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"\0")
    return tmp_path / "videos"


def test_a_pattern_keeps_sub_folders_and_passes_over_logs(videos: Path) -> None:
    clips = read_clips([str(videos / "**" / "*.m*")], str(videos / "out"))
    assert {
        clip.output: Path(clip.job.distorted).relative_to(videos).as_posix() for clip in clips
    } == {
        "a.json": "a.mp4",
        "x/a.mp4.json": "x/a.mp4",
        "x/a.mkv.json": "x/a.mkv",
        "x/b[1].json": "x/b[1].mp4",
        "x/deep/a.json": "x/deep/a.mp4",
    }


def test_names_without_a_pattern(videos: Path) -> None:
    names = [str(videos / "a.mp4"), str(videos / "x" / "b[1].mp4")]
    assert [clip.output for clip in read_clips(names, "out")] == ["a.json", "b[1].json"]
    with pytest.raises(UsageError, match=r"it would write a\.mp4\.json, as"):
        read_clips([names[0], names[0]], "out")


def test_videos_outside_the_manifests_folder_go_by_their_names(tmp_path: Path) -> None:
    first, second = read(tmp_path, "distorted\nsub/a.mp4\n/elsewhere/b.mp4\n")
    assert (first.output, second.output) == ("sub/a.json", "b.json")
