"""What PSNR costs: the measurement runs, and its table says what was measured."""

from __future__ import annotations

from typer.testing import CliRunner

from benchmarks.psnr import main, table


def test_it_measures() -> None:
    import typer

    app = typer.Typer()
    app.command()(main)
    done = CliRunner().invoke(
        app, ["--frames", "3", "--runs", "1", "--width", "64", "--height", "48"]
    )
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith("64x48, load average")
    assert "| arithmetic of psnr, 10 bits |" in done.stdout
    assert "| run: both |" in done.stdout


def test_shares_are_those_of_the_runs() -> None:
    runs = {"mobilesal": [10.0, 20.0], "psnr": [8.0, 16.0], "both": [15.0, 30.0]}
    text = table({8: [2.0, 2.0], 10: [3.0, 5.0]}, runs)
    assert "| arithmetic of psnr, 10 bits | 4.00 | 3.00 |" in text
    assert "The arithmetic is 17% of a run of psnr" in text
    assert "cost 1.50 times saliency alone" in text
