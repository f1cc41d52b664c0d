"""The sizing table follows from the rates, and says where there are none."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import typer
from typer.testing import CliRunner

from benchmarks.clips import ClipSize
from benchmarks.command import Subject
from benchmarks.sizing import measure_one_core, newest_reports, size_up, sizing
from tests.conftest import PLACEHOLDER

MACHINE = {"processor": "Some Processor"}


def on_cores(date: str, seconds: float) -> dict[str, Any]:
    row = {"size": "1920x1080", "model_id": "m", "input": "mp4", "frame_cpu_seconds": seconds}
    other = {**row, "size": "576x324"}
    facts = {"date": date, "commit": "abc", "machine": MACHINE, "load": 0.1}
    return {**facts, "one_core": [other, row]}


def on_gpu(gpu: dict[str, str] | None) -> dict[str, Any]:
    row = {"size": "1920x1080", "subject": "v2", "hwaccel": "cuda", "fps": 500.0}
    return {"date": "2026-01-01", "commit": "abc", "gpu": gpu, "rows": [], "decoding": [row]}


def cells(text: str) -> list[list[str]]:
    """The rows of all tables, without their headings."""
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_clips_follow_from_processor_time() -> None:
    text = size_up([on_cores("2026-01-02", 0.024)])
    # 1,500 frames of 24 ms are 36 s: 100 in an hour.
    assert cells(text)[1:] == [["`m`", "H.264 MP4", "24", "100", "1 h"]]
    assert "GPUs: no rate has been measured yet." in text


def test_clips_follow_from_frames_a_second() -> None:
    text = size_up([on_gpu({"name": "Some GPU"})])
    assert cells(text)[1:] == [["v2", "NVDEC", "500", "1,200", "1,200,000"]]
    assert "Some GPU, measured" in text
    assert "no rate" not in text


def test_a_try_without_a_gpu_is_no_figure_of_one() -> None:
    assert "GPUs: no rate has been measured yet." in size_up([on_gpu(None)])


def test_the_newest_report_counts(tmp_path: Path) -> None:
    reports = [on_cores("2026-01-02", 0.02), on_cores("2026-01-03", 0.03), on_gpu(None)]
    for number, report in enumerate(reports):
        (tmp_path / f"{number}.json").write_text(json.dumps(report))
    assert [report["date"] for report in newest_reports(tmp_path)] == ["2026-01-03"]


def test_one_core_is_measured_and_given_back(tmp_path: Path) -> None:
    cores = os.sched_getaffinity(0)
    subject = Subject("placeholder", str(PLACEHOLDER))
    rows = list(measure_one_core(tmp_path, ClipSize(64, 48, 30), [subject]))
    assert [(row["model_id"], row["input"], row["frames"]) for row in rows] == [
        ("mobilesal_placeholder_v0", "yuv", 30),
        ("mobilesal_placeholder_v0", "mp4", 30),
    ]
    assert os.sched_getaffinity(0) == cores


def test_every_option_has_a_help_text() -> None:
    app = typer.Typer(add_completion=False)
    app.command()(sizing)
    for parameter in typer.main.get_command(app).params:
        assert getattr(parameter, "help", None), parameter.name
    assert CliRunner().invoke(app, ["--help"]).exit_code == 0
