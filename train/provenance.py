"""Where a run's result comes from: commit, versions, machine, digests."""

from __future__ import annotations

import platform
import re
import subprocess
import sys
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import Any

__all__ = ["cpu_model", "git_commit", "provenance", "without_folders"]

PACKAGES = ("torch", "numpy", "pillow", "onnx", "onnxruntime", "onnxruntime-gpu")


def git_commit() -> str | None:
    """The commit of this checkout, with `-dirty` where tracked files differ; None outside git."""
    describe = ["describe", "--always", "--abbrev=40", "--exclude=*", "--dirty"]
    with suppress(OSError, subprocess.CalledProcessError):
        command = ["git", "-C", str(Path(__file__).resolve().parent), *describe]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    return None


def cpu_model() -> str:
    """The CPU's name, as the system gives it."""
    with suppress(OSError):
        found = re.search(r"^model name\s*: (.*)", Path("/proc/cpuinfo").read_text("utf-8"), re.M)
        if found:
            return found[1].strip()
    return platform.processor() or platform.machine()


def without_folders(argument: str) -> str:
    """An argument of a command line, an absolute path in it cut to its last name.

    Where a run's folders lay says something about one machine alone; also in `maps:DIR` and
    `--option=DIR`.
    """
    return re.sub(r"(^|[:=])/(?:[^/]+/)*(?=[^/])", r"\1", argument.rstrip("/") or argument)


def provenance() -> dict[str, Any]:
    """Command line without its folders, commit, versions and machine of this process."""
    versions = {}
    for package in PACKAGES:
        with suppress(metadata.PackageNotFoundError):
            versions[package] = metadata.version(package)
    return {
        "command": ["python", "-m", "train", *map(without_folders, sys.argv[1:])],
        "git_commit": git_commit(),
        "python": platform.python_version(),
        "versions": versions,
        "platform": platform.platform(),
        "cpu": cpu_model(),
    }
