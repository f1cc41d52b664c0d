"""The benchmark of GPUs runs to its end on a CPU; nothing here depends on how long it takes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from benchmarks.gpu import bench_gpu
from benchmarks.variant import query_gpu

app = typer.Typer(add_completion=False)
app.command()(bench_gpu)


def test_it_measures_a_cpu_as_it_would_a_gpu(tmp_path: Path) -> None:
    words = ["--device", "cpu", "--no-tests", "--sizes", "64x48", "--models", "placeholder"]
    words += ["--batches", "2", "--seconds", "0", "--clips", str(tmp_path / "clips")]
    done = CliRunner().invoke(
        app, [*words, "--out", str(tmp_path / "gpu.json")], catch_exceptions=False
    )
    assert done.exit_code == 0, done.output
    report = json.loads((tmp_path / "gpu.json").read_text())
    text = (tmp_path / "gpu.md").read_text()
    assert text.strip() in done.stdout
    assert "a try of the script, without a GPU" in text
    assert (report["device"], report["gpu"], report["tests"]) == ("cpu", None, None)
    assert min(report["ceilings"].values()) > 0
    apart, fused = report["rows"]
    assert (apart["variant"]["fused"], fused["variant"]["fused"]) == (False, True)
    # Three float32 of a pixel, or one and a half samples and the conversion's seven numbers.
    assert apart["bytes_up"] == 12 * 64 * 48
    assert fused["bytes_up"] == 1.5 * 64 * 48 + 28
    for row in (apart, fused):
        assert row["provider"] == "CPUExecutionProvider"
        assert row["difference"] <= 1e-6
        assert row["frame_seconds"] > 0 < row["session_seconds"]
        assert "| " + row["subject"] in text
    (decoded,) = report["decoding"]
    assert (decoded["frames"], decoded["hwaccel"]) == (4, "none")


def test_every_option_has_a_help_text() -> None:
    for parameter in typer.main.get_command(app).params:
        assert getattr(parameter, "help", None), parameter.name


@pytest.mark.skipif(query_gpu("name", 0) is not None, reason="there is a GPU")
def test_without_a_gpu_it_says_so() -> None:
    done = CliRunner().invoke(app, [])
    assert done.exit_code == 2
    assert "nvidia-smi shows no such GPU" in " ".join(done.output.split())
