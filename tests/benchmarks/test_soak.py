"""The soak notices what grows, and this program holds no more after a clip than before."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from benchmarks.soak import Sample, judge, soak

MIB = 1 << 20
STEADY = [Sample((100 + number % 4) * MIB, 7, 3) for number in range(40)]


def test_clips_leave_no_handle_and_no_thread_behind(tmp_path: Path) -> None:
    app = typer.Typer(add_completion=False)
    app.command()(soak)
    words = ["--frames", "24", "--clips", "24", "--size", "320x180", "--results", str(tmp_path)]
    # Memory settles later than this: the exit status is for the long run.
    done = CliRunner().invoke(app, words)
    assert done.exit_code in (0, 1), done.output
    (record,) = tmp_path.glob("soak_*.json")
    assert record.with_suffix(".md").read_text() in done.stdout
    rows = json.loads(record.read_text())["rows"]
    assert [row["samples"] for row in rows] == [24, 24, 24]
    for row in rows:
        assert row["handles"][1] <= row["handles"][0], row["part"]
        assert row["threads"][1] <= row["threads"][0], row["part"]
        assert min(row["peak_mib"]) > 40


def test_a_steady_process_is_flat() -> None:
    found = judge(STEADY)
    assert found["flat"]
    assert found["growth"] == 0


@pytest.mark.parametrize(
    "grown",
    [
        [Sample(one.rss + number * MIB // 4, 7, 3) for number, one in enumerate(STEADY)],
        [Sample(one.rss, 7 + number // 5, 3) for number, one in enumerate(STEADY)],
        [Sample(one.rss, 7, 3 + (number > 30)) for number, one in enumerate(STEADY)],
    ],
    ids=["memory", "handles", "threads"],
)
def test_growth_is_noticed(grown: list[Sample]) -> None:
    assert not judge(grown)["flat"]


def test_every_option_has_a_help_text() -> None:
    app = typer.Typer(add_completion=False)
    app.command()(soak)
    for parameter in typer.main.get_command(app).params:
        assert getattr(parameter, "help", None), parameter.name
