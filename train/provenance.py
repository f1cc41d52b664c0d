"""Where a run's result comes from: commit, versions, machine, digests."""

from __future__ import annotations

import platform
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

__all__ = ["cpu_model", "git_commit", "provenance", "without_folders"]

PACKAGES = ("torch", "numpy", "pillow", "onnx", "onnxruntime", "onnxruntime-gpu")


def git_commit() -> str | None:
    """The commit of this checkout, with `-dirty` where tracked files differ; None outside git."""
    here = Path(__file__).resolve().parent
    try:
        commit = subprocess.run(
            ["git", "-C", str(here), "rev-parse", "HEAD"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        changed = subprocess.run(
            ["git", "-C", str(here), "status", "--porcelain", "--untracked-files=no"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
    return commit + ("-dirty" if changed else "")


def cpu_model() -> str:
    """The CPU's name, as the system gives it."""
    try:
        for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def without_folders(argument: str) -> str:
    """An argument of a command line, an absolute path in it cut to its last name.

    Where a run's folders lay says something about one machine alone; also in `maps:DIR` and
    `--option=DIR`.
    """
    return re.sub(r"(^|[:=])/(?:[^/]+/)*(?=[^/])", r"\1", argument.rstrip("/") or argument)


def provenance() -> dict[str, Any]:
    """Command line without its folders, commit, versions and machine of this process."""
    versions = {p: v for p in PACKAGES if (v := _version(p)) is not None}
    return {
        "command": ["python", "-m", "train", *map(without_folders, sys.argv[1:])],
        "git_commit": git_commit(),
        "python": platform.python_version(),
        "versions": versions,
        "platform": platform.platform(),
        "cpu": cpu_model(),
    }
