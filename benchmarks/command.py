"""Runs the real `vmafsal` command and the workers, each in a process of its own."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vmafsal.job import MODEL_VARIABLE

__all__ = ["ROOT", "Cost", "Extraction", "Subject", "extract", "run_measured", "worker"]

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class Cost:
    """What a process cost from its start to its end."""

    seconds: float
    """Wall clock."""
    cpu_seconds: float
    """User and system, all threads."""
    peak_mib: float
    """Peak resident memory."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A model that is measured."""

    name: str
    spec: str | None
    """Path or registry id; None is the packaged default."""
    native: bool = False
    """Run it at the frame's own size, whatever its sidecar says."""

    @property
    def feature(self) -> str:
        """The value of --feature that runs it."""
        options = []
        if self.spec is not None:
            options.append("model_path=" + re.sub(r"([:=\\])", r"\\\1", self.spec))
        if self.native:
            options.append("short_side=native")
        return "=".join(["mobilesal", ":".join(options)]) if options else "mobilesal"


@dataclass(frozen=True, slots=True)
class Extraction:
    """One run of the extractor."""

    cost: Cost
    scoring_seconds: float
    """From before the first frame was read to the last one's score, by the program's own clock."""
    frames: int
    batch_size: int
    threads: int
    model: str
    """Id of the model that ran."""
    version: str
    """What the log says wrote it."""


def run_measured(program: Sequence[str | Path], cwd: Path = ROOT) -> Cost:
    """Run a program to its end.

    Args:
        program: absolute path and arguments.
        cwd: folder to run it in.
    Raises:
        RuntimeError: if it fails, with what it said.
    """
    environment = {name: text for name, text in os.environ.items() if name != MODEL_VARIABLE}
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report"
        launcher: list[str | Path] = [
            sys.executable,
            "-I",
            "-S",
            ROOT / "benchmarks" / "launch.py",
            report,
        ]
        done = subprocess.run(
            [*launcher, *program], cwd=cwd, env=environment, capture_output=True, text=True
        )
        answer = report.read_text().split() if report.exists() else []
    if not answer or answer[3] != "0":
        raise RuntimeError(f"{' '.join(map(str, program))} failed: {done.stderr.strip()}")
    return Cost(float(answer[0]), float(answer[1]), int(answer[2]) / 1024)


def extract(
    clip: Path,
    size: tuple[int, int],
    subject: Subject,
    frames: int = 0,
    checkout: Path | None = None,
) -> Extraction:
    """Score a clip with the command that people use.

    Args:
        clip: raw if it ends in .yuv.
        size: (width, height), given for raw video.
        subject: the model to run.
        frames: score only so many; 0 is all.
        checkout: run the code of another checkout instead of the installed command.
    """
    if checkout is None:
        # Under its own name, as the console script starts it.
        program: list[str | Path] = [Path(sys.executable).with_name("vmafsal")]
    else:
        program = [sys.executable, "-m", "vmafsal"]
    program += ["--distorted", clip, "--quiet"]
    if clip.suffix == ".yuv":
        program += ["--width", str(size[0]), "--height", str(size[1])]
    program += ["--feature", subject.feature]
    if frames:
        program += ["--frame_cnt", str(frames)]
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "score.json"
        cost = run_measured([*program, "--output", output], checkout or ROOT)
        log = json.loads(output.read_text())
    count = len(log["frames"])
    facts = log["vmafsal"]
    return Extraction(
        cost=cost,
        # The log rounds fps to two decimals.
        scoring_seconds=count / log["fps"] if log["fps"] else 0.0,
        frames=count,
        batch_size=facts["settings"]["batch_size"],
        threads=facts["settings"]["threads"],
        model=facts["features"]["saliency_mean"]["model"],
        version=log["version"],
    )


def worker(module: str, **arguments: Any) -> Any:
    """Call `main(**arguments)` of a module of this package in a process of its own.

    Args:
        module: for example "floor".
        arguments: anything JSON can say.
    Returns:
        what its main returned, by way of JSON.
    """
    call = (
        "import json, sys; from importlib import import_module; "
        "print(json.dumps(import_module(sys.argv[1]).main(**json.loads(sys.argv[2]))))"
    )
    done = subprocess.run(
        [sys.executable, "-c", call, f"benchmarks.{module}", json.dumps(arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise RuntimeError(f"benchmarks.{module} failed: {done.stderr.strip()}")
    return json.loads(done.stdout)
