"""python -m benchmarks: draws clips, measures, prints, and writes benchmarks/results/."""

from __future__ import annotations

import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks.clips import ClipSize
from benchmarks.command import ROOT, Subject, worker
from benchmarks.machine import describe, revision, slug
from benchmarks.measure import KINDS, RUN_SECONDS, measure, subjects
from benchmarks.memory import measure_memory
from benchmarks.report import to_markdown
from vmafsal.infer.plan import available_cores

SIZES = {
    "324p": ClipSize(576, 324, 600),
    "1080p": ClipSize(1920, 1080, 300),
    "2160p": ClipSize(3840, 2160, 60),
}
_LONG = ClipSize(3840, 2160, 300)


def bench(
    sizes: Annotated[str, typer.Option(help="Of 324p, 1080p, 2160p.")] = ",".join(SIZES),
    models: Annotated[
        str, typer.Option(help="Of placeholder, v1, v2, default; all that are here otherwise.")
    ] = "",
    inputs: Annotated[str, typer.Option(help="Of yuv, mp4.")] = ",".join(KINDS),
    model: Annotated[list[Path] | None, typer.Option(help="An ONNX file beside those.")] = None,
    frames: Annotated[int, typer.Option(help="Of every clip and run; 0 chooses.")] = 0,
    rounds: Annotated[int, typer.Option(help="The best of so many counts.", min=1)] = 2,
    memory: Annotated[bool, typer.Option(help="Score 300 frames of 2160p as well.")] = True,
    clips: Annotated[Path, typer.Option(help="Folder for the clips.")] = ROOT / "runs" / "bench",
    results: Annotated[Path, typer.Option(help="Folder for what was measured.")] = ROOT
    / "benchmarks"
    / "results",
) -> None:
    """Measure speed, memory and start-up of the vmafsal command, and the floors below it."""
    chosen = [SIZES[name] for name in _choose("--sizes", sizes, list(SIZES))]
    if frames:
        chosen = [ClipSize(size.width, size.height, frames) for size in chosen]
    known = {subject.name: subject for subject in subjects()}
    names = _choose("--models", models, list(known)) if models else list(known)
    chosen_models = [known[name] for name in names]
    chosen_models += [Subject(file.stem, str(file)) for file in model or ()]
    machine = describe()
    before = os.getloadavg()[0]
    peak = worker("machine", threads=available_cores())
    rows: list[dict[str, Any]] = []
    report = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": revision(ROOT),
        "machine": machine,
        "peak_gflops": peak,
        "rounds": rounds,
        "rows": rows,
    }
    try:
        for row in measure(
            clips,
            chosen,
            chosen_models,
            rounds,
            max(peak.values()),
            _choose("--inputs", inputs, list(KINDS)),
            tell=_tell,
            run_seconds=float("inf") if frames else RUN_SECONDS,
        ):
            rows.append(row)
        if memory:
            _tell(f"{_LONG.frames} frames of {_LONG}")
            report["memory"] = measure_memory(clips, _LONG, known["placeholder"])
    except KeyboardInterrupt:
        _tell("interrupted: what was measured so far is kept")
    report["load"] = [before, os.getloadavg()[0]]
    text = to_markdown(report)
    print(text)
    results.mkdir(parents=True, exist_ok=True)
    target = results / f"{report['commit']}_{slug(machine)}"
    target.with_suffix(".json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    target.with_suffix(".md").write_text(text, encoding="utf-8")


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _choose(option: str, text: str, known: list[str]) -> list[str]:
    chosen = text.split(",")
    for name in chosen:
        if name not in known:
            raise typer.BadParameter(f"{option} takes {', '.join(known)}, not {name}.")
    return chosen


if __name__ == "__main__":
    typer.run(bench)
