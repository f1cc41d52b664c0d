"""What a frame costs: the whole command with its start-up, one model against another.

`python -m benchmarks.cost --model A --against B` scores a drawn clip of raw 1080p with the command
that people use: many frames with A, fewer with B, which runs at the frame's own size. The runs
alternate, so that other load affects both.
"""

from __future__ import annotations

import json
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import typer

from benchmarks.clips import ClipSize, clip_path, draw_raw
from benchmarks.command import ROOT, Subject, extract
from benchmarks.machine import describe, revision

__all__ = ["BAR", "ratio", "table"]

SIZE = (1920, 1080)
BAR = 60.0
"""Frames per second of the model, over those of the other."""

Row = dict[str, Any]


def measure(subject: Subject, clip: Path, size: tuple[int, int], frames: int) -> Row:
    """One run of the command; seconds count from the process's start to its end."""
    done = extract(clip, size, subject, frames)
    return {
        "model": done.model,
        "frames": done.frames,
        "seconds": done.cost.seconds,
        "fps": done.frames / done.cost.seconds,
        "peak_mib": done.cost.peak_mib,
    }


def ratio(ours: list[Row], others: list[Row]) -> float:
    """Median frames per second over median frames per second."""
    return float(median(row["fps"] for row in ours) / median(row["fps"] for row in others))


def table(ours: list[Row], others: list[Row]) -> str:
    """A Markdown table of the medians, and the ratio with its bar."""
    lines = ["| model | frames | seconds | frames per second | peak MiB |", "|---|" + "---:|" * 4]
    for rows in (ours, others):
        seconds, fps, peak = (
            median(r[key] for r in rows) for key in ("seconds", "fps", "peak_mib")
        )
        lines.append(
            f"| {rows[0]['model']} | {rows[0]['frames']} | {seconds:.2f} | {fps:.2f} | {peak:.0f} |"
        )
    return "\n".join([*lines, "", f"Ratio {ratio(ours, others):.1f} (≥ {BAR:g})"])


def main(
    model: Annotated[
        str | None, typer.Option(help="Registry id or file; else the default.")
    ] = None,
    against: Annotated[str, typer.Option(help="Run at native size.")] = "saliency_student_v2",
    frames: Annotated[int, typer.Option(min=1)] = 600,
    against_frames: Annotated[int, typer.Option(min=1)] = 60,
    runs: Annotated[int, typer.Option(min=1, help="Of each.")] = 3,
    width: Annotated[int, typer.Option(min=32)] = SIZE[0],
    height: Annotated[int, typer.Option(min=32)] = SIZE[1],
    json_path: Annotated[Path | None, typer.Option("--json", help="All figures.")] = None,
) -> None:
    """Measure the whole command on raw video, start-up included.

    Example:

        python -m benchmarks.cost --model saliency_student_v3 --against saliency_student_v2
    """
    size = (width, height)
    ours: list[Row] = []
    others: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        clip_size = ClipSize(width, height, max(frames, against_frames))
        clip = clip_path(Path(folder), clip_size, "yuv")
        draw_raw(clip, clip_size)
        for number in range(runs):
            print(f"run {number + 1} of {runs}", file=sys.stderr, flush=True)
            ours.append(measure(Subject("model", model), clip, size, frames))
            others.append(measure(Subject("against", against, True), clip, size, against_frames))
    report = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": revision(ROOT),
        "machine": describe(),
        "size": f"{width}x{height}",
        "bar": BAR,
        "ratio": ratio(ours, others),
        "model": ours,
        "against": others,
    }
    if json_path is not None:
        json_path.parent.mkdir(parents=True, exist_ok=True)
        json_path.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(table(ours, others))


if __name__ == "__main__":
    typer.run(main)
