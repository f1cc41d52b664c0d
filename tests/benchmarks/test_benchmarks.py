"""The harness measures what it says; nothing here depends on how long anything takes."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from onnx import TensorProto, helper
from typer.testing import CliRunner

from benchmarks.__main__ import bench
from benchmarks.clips import ClipSize, clip_path, main, moving_planes
from benchmarks.command import Subject, extract, run_measured, worker
from benchmarks.compare import compare, compare_reports
from benchmarks.flops import flops
from benchmarks.measure import affordable
from benchmarks.memory import measure_memory
from tests.conftest import PLACEHOLDER, ROOT
from vmafsal.infer.plan import available_cores
from vmafsal.video import open_source

TINY = ClipSize(64, 48, 3)


def app_of(command: Any) -> typer.Typer:
    app = typer.Typer(add_completion=False)
    app.command()(command)
    return app


def run(command: Any, *words: str) -> str:
    app = app_of(command)
    done = CliRunner().invoke(app, words, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    main(folder=str(tmp_path), width=TINY.width, height=TINY.height, frames=TINY.frames)
    return tmp_path


def test_clips_hold_the_pictures_that_were_drawn(clips: Path) -> None:
    drawn = list(moving_planes(TINY))
    assert not np.array_equal(drawn[0][0], drawn[2][0])
    with open_source(str(clip_path(clips, TINY, "yuv")), width=64, height=48) as source:
        for planes, frame in zip(drawn, source.frames(), strict=True):
            for plane, stored in zip(planes, frame.planes, strict=True):
                np.testing.assert_array_equal(plane, stored)
    with open_source(str(clip_path(clips, TINY, "mp4"))) as source:
        assert (source.info.codec, source.info.matrix, source.info.full_range) == (
            "h264",
            "bt709",
            False,
        )
        for planes, frame in zip(drawn, source.frames(), strict=True):
            error = np.abs(planes[0].astype(float) - frame.planes[0]).mean()
            assert error < 8  # lossy, but the same picture


def test_flops_count_two_for_each_multiplication_and_addition() -> None:
    weights = [("down", (4, 3, 3, 3)), ("up", (4, 2, 2, 2))]
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["input", "down"], ["small"], strides=[2, 2], pads=[1] * 4),
            helper.make_node("Relu", ["small"], ["active"]),
            helper.make_node("ConvTranspose", ["active", "up"], ["map"], strides=[2, 2]),
        ],
        "network",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 3, "H", "W"])],
        [helper.make_tensor_value_info("map", TensorProto.FLOAT, [1, 2, "H", "W"])],
        [
            helper.make_tensor(name, TensorProto.FLOAT, shape, np.zeros(shape).ravel())
            for name, shape in weights
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    # 8x16 in, 4 channels of 4x8, 2 channels of 8x16 out.
    down = 2 * (4 * 4 * 8) * (3 * 3 * 3)
    up = 2 * (4 * 4 * 8) * (2 * 2 * 2)
    assert flops(model, "input", 8, 16) == down + up


def test_peak_memory_is_the_programs_own() -> None:
    ballast = np.ones(400 << 17)  # 400 MiB that the program must not answer for
    small = run_measured([sys.executable, "-c", "pass"])
    large = run_measured([sys.executable, "-c", "held = b'x' * (200 << 20)"])
    assert ballast.nbytes > 2 * 2**20 * small.peak_mib
    assert 190 < large.peak_mib - small.peak_mib < 230


def test_a_program_that_fails_says_why() -> None:
    with pytest.raises(RuntimeError, match="no such luck"):
        run_measured([sys.executable, "-c", "raise SystemExit('no such luck')"])
    with pytest.raises(RuntimeError, match="does not exist"):
        worker("floor", model="absent.onnx", height=8, width=8, frames=1, batch_size=1, threads=1)


def test_extract_runs_the_code_of_another_checkout(clips: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(ROOT / "vmafsal", other / "vmafsal")
    shutil.copytree(ROOT / "model", other / "model")
    source = other / "vmafsal" / "__init__.py"
    lines = source.read_text().splitlines()
    changed = ['__version__ = "77.7"' if ln.startswith("__version__") else ln for ln in lines]
    source.write_text("\n".join(changed))
    clip = clip_path(clips, TINY, "yuv")
    model = shutil.copy(PLACEHOLDER, tmp_path / "a:b=c.onnx")
    placeholder = Subject("placeholder", str(model), native=True)
    here = extract(clip, (64, 48), placeholder)
    there = extract(clip, (64, 48), placeholder, frames=2, checkout=other)
    assert (here.frames, there.frames) == (3, 2)
    assert here.version != there.version == "vmafsal 77.7"
    assert here.model == "a:b=c"


def test_bench_measures_prints_and_records(tmp_path: Path) -> None:
    small = Path(shutil.copy(PLACEHOLDER, tmp_path / "small.onnx"))
    policy = {"short_side": 32, "multiple": 32}
    small.with_suffix(".json").write_text(json.dumps({"id": "small", "input": policy}))
    words = ["--sizes", "324p", "--models", "placeholder", "--model", str(small)]
    words += ["--frames", "3", "--rounds", "1", "--no-memory"]
    folders = ["--clips", str(tmp_path / "clips"), "--results", str(tmp_path / "results")]
    text = run(bench, *words, *folders)
    (record,) = (tmp_path / "results").glob("*.json")
    assert record.with_suffix(".md").read_text() in text
    report = json.loads(record.read_text())
    assert report["machine"]["cores"] >= 1
    assert all(rate > 0 for rate in report["peak_gflops"].values())
    cases = [(row["model"], row["input"]) for row in report["rows"]]
    assert cases == [(model, kind) for model in ("placeholder", "small") for kind in ("yuv", "mp4")]
    for row in report["rows"]:
        canonical = row["model"] == "small"
        assert (row["size"], row["frames"]) == ("576x324", 3)
        # 57x32, brought to a multiple of 32.
        assert row["flops"] == 2 * 3 * (64 * 32 if canonical else 576 * 324)
        assert (row["stages"]["resample"]["seconds"] > 0) == canonical
        assert all(row["stages"][name]["seconds"] > 0 for name in ("read", "colour", "features"))
        floor = row["stages"]["inference"]["seconds"]
        assert row["ratio"] == pytest.approx(row["frame_seconds"] / floor)
        parts = row["stages"].values()
        slowest = max(part["seconds"] for part in parts)
        shared = sum(part["cpu_seconds"] for part in parts) / available_cores()
        assert row["bound_seconds"] == pytest.approx(max(slowest, shared))
        assert row["of_bound"] == pytest.approx(row["bound_seconds"] / row["frame_seconds"])
        assert row["short_side"] == (32 if canonical else "native")
        assert row["at_once"] == (available_cores() if canonical else 1)
        assert sum(row["share"].values()) == pytest.approx(1)
        # Python with numpy alone holds more than this; the clip is a few frames.
        assert 40 < row["peak_mib"] < 1024
    same = list(compare_reports(report, report))
    assert [pair["a"] for pair in same] == [pair["b"] for pair in same] == report["rows"]
    table = run(compare, str(record), str(record))
    assert table.count("| 1.000 | 1.000 | 1.000 |") == 4


def test_slow_models_run_on_fewer_frames(clips: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clip, placeholder = clip_path(clips, TINY, "yuv"), Subject("placeholder", str(PLACEHOLDER))
    long = ClipSize(TINY.width, TINY.height, 10_000)
    assert affordable(clip, TINY, placeholder, float("inf")) == 3
    assert affordable(clip, TINY, placeholder, 1e-9) == 3
    # As if even this took too long to go on trying.
    monkeypatch.setattr("benchmarks.measure._TRIAL_SECONDS", 0.0)
    assert affordable(clip, long, placeholder, 1e-9) == 4
    assert affordable(clip, long, placeholder, 1e9) == 10_000


def test_memory_is_measured_on_a_clip_that_is_deleted(tmp_path: Path) -> None:
    found = measure_memory(tmp_path, TINY, Subject("placeholder", str(PLACEHOLDER)))
    assert (found["frames"], found["model_id"]) == (3, "mobilesal_placeholder_v0")
    assert found["peak_mib"] > 40
    assert not list(tmp_path.iterdir())


def test_every_option_has_a_help_text() -> None:
    for command in (bench, compare):
        for parameter in typer.main.get_command(app_of(command)).params:
            assert getattr(parameter, "help", None), parameter.name
