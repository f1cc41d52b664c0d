"""How tests call the command line, and what they read from its logs."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner

from tests.conftest import ROOT
from vmafsal.cli.app import app

PRINT_PEAK = (
    "for line in open('/proc/self/status'):\n"
    "    if line.startswith('VmHWM:'):\n"
    "        print(line.split()[1])\n"
)
"""A program's last lines, which print its peak memory in KiB. (Of a process that was forked from a
large one, getrusage reports the peak of its parent.)"""

SIZE = ("--width", "64", "--height", "48")
DEMO = ROOT / "fixtures" / "yuv"


def scores(path: Path, column: str = "saliency_mean") -> dict[int, float]:
    frames = json.loads(path.read_text())["frames"]
    return {frame["frameNum"]: frame["metrics"][column] for frame in frames}


def invoke(*args: str | Path, env: dict[str, str] | None = None) -> tuple[int, str, str]:
    """In this process: quicker than a new one where nothing depends on it."""
    done = CliRunner().invoke(app, [str(arg) for arg in args], env=env, prog_name="vmafsal")
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.stdout, done.stderr
