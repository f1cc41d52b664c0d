"""python -m benchmarks.sizing: how many clips measured rates amount to.

A clip is one minute of 1920x1080 at 25 frames per second.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks.clips import FPS, ClipSize, clip_path
from benchmarks.command import ROOT, Subject, extract, worker
from benchmarks.machine import describe, revision, slug
from benchmarks.measure import KINDS, costs_of, subjects
from benchmarks.report import Column, table

__all__ = ["measure_one_core", "newest_reports", "size_up", "sizing"]

CLIP_FRAMES = 60 * FPS
SIZE = ClipSize(1920, 1080, 40)
_NATIVE_FRAMES = 6
"""For students at the frame's own size, which take about a second a frame."""
_MANY_CLIPS = 10_000
_MANY_CORES = 100
_GPU_HOURS = 1000

Row = dict[str, Any]


def sizing(
    reports: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Reports of --measure and of benchmarks.gpu; the default is the newest of each."
        ),
    ] = None,
    measure: Annotated[
        bool, typer.Option("--measure", help="Measure one core first, which is what a worker has.")
    ] = False,
    model: Annotated[list[Path] | None, typer.Option(help="Another ONNX file to measure.")] = None,
    clips: Annotated[Path, typer.Option(help="Folder for the clips.")] = ROOT / "runs" / "bench",
    results: Annotated[Path, typer.Option(help="Folder for the reports.")] = ROOT
    / "benchmarks"
    / "results",
) -> None:
    """Compute how many clips of one minute a core or a GPU scores."""
    if measure:
        machine = describe()
        chosen = subjects() + [Subject(file.stem, str(file)) for file in model or ()]
        report = {
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
            "commit": revision(ROOT),
            "machine": machine,
            "load": os.getloadavg()[0],
            "one_core": list(measure_one_core(clips, SIZE, chosen)),
        }
        results.mkdir(parents=True, exist_ok=True)
        target = results / f"{report['commit']}_{slug(machine)}_one-core.json"
        target.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    read = [json.loads(path.read_text(encoding="utf-8")) for path in reports or ()]
    print(size_up(read or newest_reports(results)))


def measure_one_core(folder: Path, size: ClipSize, models: Sequence[Subject]) -> Iterator[Row]:
    """The cost of a frame for a worker with one core, end to end.

    Args:
        folder: for the clips.
        size: of the clips; native students get fewer frames.
        models: to run.
    Yields:
        a row for each model and kind: model, model_id, input, size and the figures of costs_of().
    """
    worker("clips", folder=str(folder), **asdict(size))
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})  # children inherit it
    try:
        for model in models:
            frames = min(size.frames, _NATIVE_FRAMES) if model.native else size.frames
            for kind in KINDS:
                print(f"{model.name} {kind}", file=sys.stderr, flush=True)
                clip, sides = clip_path(folder, size, kind), (size.width, size.height)
                whole = extract(clip, sides, model, frames)
                yield {
                    "size": str(size),
                    "model": model.name,
                    "model_id": whole.model,
                    "input": kind,
                    "frames": frames,
                    **costs_of([whole], [extract(clip, sides, model, 1)], frames),
                }
    finally:
        os.sched_setaffinity(0, cores)


def newest_reports(folder: Path = ROOT / "benchmarks" / "results") -> list[Row]:
    """The newest report on a core and the newest on a GPU, where there are any.

    Args:
        folder: of JSON reports.
    """
    reports = [json.loads(path.read_text(encoding="utf-8")) for path in folder.glob("*.json")]
    reports.sort(key=lambda report: report["date"])
    return [*filter(_cases, reports)][-1:] + [*filter(_gpu_cases, reports)][-1:]


def size_up(reports: Sequence[Row]) -> str:
    """Tables, as Markdown, for the reports that have a rate for such clips.

    Args:
        reports: what --measure and `python -m benchmarks.gpu` write as JSON.
    """
    parts = []
    for report in reports:
        if cases := _cases(report):
            parts.append(
                f"{report['machine']['processor']}, measured {report['date'][:10]} at commit "
                f"{report['commit']}, at a load average of {report['load']:.1f}:\n\n"
                f"{table(_CORES, cases)}"
            )
    on_gpus = [report for report in reports if _gpu_cases(report)]
    for report in on_gpus:
        parts.append(
            f"{report['gpu']['name']}, measured {report['date'][:10]} at commit "
            f"{report['commit']}:\n\n{table(_GPUS, _gpu_cases(report))}"
        )
    if not on_gpus:
        parts.append("GPUs: no rate has been measured yet.\n")
    return "\n".join(parts)


def _cases(report: Row) -> list[Row]:
    """The rows of a report on one core that are about such clips."""
    return [row for row in report.get("one_core", ()) if row["size"] == str(SIZE)]


def _gpu_cases(report: Row) -> list[Row]:
    """The rows of a report on a GPU that are about such clips, from the file to the scores."""
    if not report.get("gpu"):
        return []
    return [row for row in report["decoding"] if row["size"] == str(SIZE)]


def _clip_seconds(row: Row) -> float:
    return float(CLIP_FRAMES * row["frame_cpu_seconds"])


def _gpu_rate(row: Row) -> float:
    """Clips an hour."""
    return float(3600 * row["fps"] / CLIP_FRAMES)


def _three_digits(value: float) -> str:
    return f"{float(f'{value:.3g}'):,g}"


_CORES: list[Column] = [
    ("model", lambda row: f"`{row['model_id']}`"),
    ("clips", lambda row: {"yuv": "raw YUV", "mp4": "H.264 MP4"}[row["input"]]),
    ("processor ms a frame", lambda row: _three_digits(1e3 * row["frame_cpu_seconds"])),
    ("clips a core-hour", lambda row: _three_digits(3600 / _clip_seconds(row))),
    (
        f"{_MANY_CLIPS:,} clips on {_MANY_CORES} cores",
        lambda row: _three_digits(_MANY_CLIPS * _clip_seconds(row) / _MANY_CORES / 3600) + " h",
    ),
]

_GPUS: list[Column] = [
    ("model", lambda row: row["subject"]),
    ("decoded by", lambda row: {"none": "software", "cuda": "NVDEC"}[row["hwaccel"]]),
    ("fps", lambda row: _three_digits(row["fps"])),
    ("clips a GPU-hour", lambda row: _three_digits(_gpu_rate(row))),
    (f"clips in {_GPU_HOURS:,} GPU-hours", lambda row: f"{_gpu_rate(row) * _GPU_HOURS:,.0f}"),
]


if __name__ == "__main__":
    typer.run(sizing)
