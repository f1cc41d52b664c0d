"""Packages of others that ours are compared with, each in an environment of its own."""

from __future__ import annotations

import subprocess
import sys
import venv
from collections.abc import Sequence
from pathlib import Path

import pytest


def python_with(folder: Path, *wanted: Sequence[str]) -> Path:
    """Python of a new environment with packages; the test is skipped where they cannot be had.

    Args:
        folder: for the environment.
        wanted: arguments of `pip install`, one call each.
    """
    venv.create(folder, with_pip=True)
    python = folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    for packages in wanted:
        done = subprocess.run(
            [python, "-m", "pip", "install", "-q", "--disable-pip-version-check", *packages],
            capture_output=True,
            text=True,
        )
        if done.returncode:
            reason = (done.stderr.strip().splitlines() or ["pip failed"])[-1]
            pytest.skip(f"{' '.join(packages)} cannot be installed here: {reason}")
    return python
