"""Where results go: in what format, and never over a file that the run reads."""

from __future__ import annotations

import os
import re
from importlib.util import find_spec
from pathlib import Path

import onnx
import pytest

from tests.command import SIZE, invoke, scores
from tests.networks import student
from vmafsal.logs.read import read_log

PARQUET = pytest.mark.skipif(not find_spec("pyarrow"), reason="needs pyarrow")

FILES = ("clip.yuv", "ref.yuv", "side.onnx", "side.json", "weights.csv")
"""What the run of the next test reads."""


@pytest.mark.parametrize("flags", [(), ("--ndjson",), ("--csv",)])
@pytest.mark.parametrize("target", [*FILES, "symbolic.json", "hard.json", "new.ndjson"])
def test_no_output_replaces_an_input(
    target: str,
    flags: tuple[str, ...],
    clip: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("ref.yuv").write_bytes(clip.read_bytes())
    model = onnx.load(student(Path("side.onnx"), sidecar={"id": "side"}))
    onnx.save(
        model, "side.onnx", save_as_external_data=True, location="weights.csv", size_threshold=0
    )
    Path("symbolic.json").symlink_to("side.json")
    Path("hard.json").hardlink_to("side.onnx")
    Path("new.ndjson").symlink_to("weights.csv")
    before = {name: Path(name).read_bytes() for name in os.listdir()}
    video = ("-r", "ref.yuv", "-d", "clip.yuv", *SIZE, "-q")
    feature = ("--feature", "mobilesal=model_path=side.onnx")
    code, out, err = invoke(*video, *feature, *flags, "-o", target)
    assert (code, out) == (1, ""), err
    assert f"{target} is a file that this run reads" in err
    assert {name: Path(name).read_bytes() for name in os.listdir()} == before


def test_no_log_is_made_where_a_sidecar_is_looked_for(clip: Path, tmp_path: Path) -> None:
    model = student(tmp_path / "side.onnx")
    feature = ("--feature", f"mobilesal=model_path={model}")
    code, _, err = invoke(clip, *SIZE, *feature, "-o", tmp_path / "side.json")
    assert code == 1
    assert "would be lost" in err
    assert not (tmp_path / "side.json").exists()


@pytest.mark.parametrize(
    "wrong", [("--width", "640"), ("--feature", "mobilesal=model_path=no.onnx")]
)
def test_an_older_stream_is_not_emptied_by_a_run_that_cannot_begin(
    wrong: tuple[str, str], clip: Path, tmp_path: Path
) -> None:
    good = tmp_path / "good.ndjson"
    good.write_text("older")
    assert invoke(tmp_path / "missing.mp4", "-o", good)[0] == 1
    assert invoke(clip, *SIZE, *wrong, "-o", good)[0] in (1, 2)
    assert good.read_text() == "older"
    assert invoke(clip, *SIZE, "-q", "-o", good) == (0, "", "")
    assert len(good.read_text().splitlines()) == 6


@pytest.mark.parametrize(
    ("flags", "name", "begin"),
    [
        ((), "a.json", '{\n  "version": "vmafsal '),
        ((), "a", '{\n  "version": "vmafsal '),
        ((), "A.XML", '<VMAF version="vmafsal '),
        ((), "a.csv", "Frame,saliency_mean,\n0,"),
        ((), "a.sub", "{0}{1}frame: 0|saliency_mean: "),
        ((), "a.ndjson", '{"frameNum": 0, '),
        ((), "a.jsonl", '{"frameNum": 0, '),
        pytest.param((), "a.parquet", "PAR1", marks=PARQUET),
        pytest.param((), "a.pq", "PAR1", marks=PARQUET),
        (("--tidy",), "a.csv", "Frame,saliency_mean\n0,"),
        (("--csv", "--tidy"), "a.txt", "Frame,saliency_mean\n0,"),
        (("--csv",), "a.json", "Frame,saliency_mean,\n"),
        (("--xml",), "a.parquet", "<VMAF"),
        (("--sub",), "a", "{0}{1}"),
        (("--json",), "a.csv", "{\n"),
    ],
)
def test_formats(flags: tuple[str, ...], name: str, begin: str, clip: Path, tmp_path: Path) -> None:
    assert invoke(clip, *SIZE, "-q", "-o", tmp_path / name, *flags) == (0, "", "")
    assert (tmp_path / name).read_bytes().decode("utf-8", "replace").startswith(begin)


@PARQUET
def test_parquet_holds_every_digit(clip: Path, tmp_path: Path) -> None:
    table, log = tmp_path / "a.parquet", tmp_path / "a.json"
    assert invoke(clip, *SIZE, "-q", "-o", table)[0] == 0
    assert invoke(clip, *SIZE, "-q", "-o", log, "--precision", "max")[0] == 0
    frames = read_log(str(table)).frames
    assert {frame.index: frame.metrics["saliency_mean"] for frame in frames} == scores(log)


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("-o", "a.txt"), r"a\.txt has an ending that names no log format: use \.json, \.xml, "),
        (("-o", "a.parqet"), r"\.parquet"),
        (("-o", "a.parquet", "--precision", "3"), "Parquet holds every digit"),
        (("--tidy", "--xml", "-o", "a.csv"), "--xml and --tidy"),
        (("--ndjson", "--tidy"), "cannot both go to standard output"),
    ],
)
def test_formats_that_make_no_sense(
    args: tuple[str, ...],
    message: str,
    clip: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = invoke(clip, *SIZE, *args)
    assert (code, out) == (2, "")
    assert re.search(message, err), err
    assert os.listdir() == ["clip.yuv"]
