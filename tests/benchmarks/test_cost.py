"""The cost of a whole command, and the picture of the drift."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from PIL import Image

from benchmarks import cost, drift

PLACEHOLDER = "mobilesal_placeholder_v0"


def test_the_whole_command_is_timed_and_both_models_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = tmp_path / "cost.json"
    cost.main(PLACEHOLDER, PLACEHOLDER, 6, 2, 1, 96, 64, report)
    measured = json.loads(report.read_text())
    (ours,), (others,) = measured["model"], measured["against"]
    assert (ours["frames"], others["frames"]) == (6, 2)
    assert measured["ratio"] == pytest.approx(ours["fps"] / others["fps"])
    assert "| 6 |" in capsys.readouterr().out


def test_the_ratio_is_of_medians() -> None:
    ours = [{"fps": value} for value in (90.0, 60.0, 1.0)]
    assert cost.ratio(ours, [{"fps": 2.0}]) == 30.0


def test_the_drift_is_drawn_from_what_was_measured(tmp_path: Path) -> None:
    row = {"what": "resolution", "clip": "a.mp4", "model": "m.onnx"}
    out = tmp_path / "drift.png"
    drift.draw([row | {"means": {"270": 0.2, "540": 0.1}}], out)
    steep = Image.open(out).tobytes()
    drift.draw([row | {"means": {"270": 0.2, "540": 0.2}}], out)
    assert Image.open(out).tobytes() != steep


def test_a_report_without_resolution_cannot_be_drawn(tmp_path: Path) -> None:
    with pytest.raises(typer.BadParameter, match="--what resolution"):
        drift.draw([{"what": "flicker"}], tmp_path / "drift.png")
