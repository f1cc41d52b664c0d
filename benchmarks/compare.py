"""python -m benchmarks.compare A B: two reports side by side, or two commits in turns."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks.__main__ import SIZES
from benchmarks.clips import ClipSize, clip_path
from benchmarks.command import ROOT, Extraction, Subject, extract, worker
from benchmarks.measure import KINDS, RUN_SECONDS, affordable, costs_of, subjects

__all__ = ["compare_commits", "compare_reports"]

Row = dict[str, Any]


def compare(
    a: Annotated[str, typer.Argument(help="A JSON report, or a commit.")],
    b: Annotated[str, typer.Argument(help="Another one of the same sort.")],
    size: Annotated[str, typer.Option(help="For commits: 324p, 1080p or 2160p.")] = "1080p",
    frames: Annotated[int, typer.Option(help="For commits: 0 for the size's own.")] = 0,
    rounds: Annotated[int, typer.Option(help="For commits: the best of so many.", min=1)] = 3,
    clips: Annotated[Path, typer.Option(help="Folder for the clips.")] = ROOT / "runs" / "bench",
) -> None:
    """Compare two reports of `python -m benchmarks`, or measure two commits in turns.

    The figures of two reports were measured at different times, maybe on different machines.
    Two commits are measured now and alternate, A B A B, so that other load affects both alike.
    """
    files = [name.endswith(".json") for name in (a, b)]
    if any(files) != all(files):
        raise typer.BadParameter("Compare two reports or two commits, not one with the other.")
    if all(files):
        rows = compare_reports(*(json.loads(Path(name).read_text()) for name in (a, b)))
    else:
        chosen = SIZES[size]
        limit = float("inf") if frames else RUN_SECONDS
        if frames:
            chosen = ClipSize(chosen.width, chosen.height, frames)
        rows = compare_commits(a, b, chosen, subjects(), rounds, clips, limit)
    print(f"A is {a}, B is {b}. B/A below 1: B is faster, or smaller.\n")
    print("| size | model | input | fps A | fps B | time B/A | start-up B/A | peak memory B/A |")
    print("|---|---|---|---|---|---|---|---|")
    for row in rows:
        first, second = row["a"], row["b"]
        quotients = " | ".join(
            f"{second[name] / first[name]:.3f}"
            for name in ("frame_seconds", "startup_seconds", "peak_mib")
        )
        print(
            f"| {row['size']} | {row['model']} | {row['input']} | {1 / first['frame_seconds']:.2f} "
            f"| {1 / second['frame_seconds']:.2f} | {quotients} |",
            flush=True,
        )


def compare_reports(a: Row, b: Row) -> Iterator[Row]:
    """The rows that two reports share.

    Yields:
        size, model and input, and under "a" and "b" the row of each report.
    """

    def case(row: Row) -> tuple[Any, ...]:
        return tuple(row[name] for name in ("size", "model", "input"))

    others = {case(row): row for row in b["rows"]}
    for row in a["rows"]:
        if case(row) in others:
            size, model, kind = case(row)
            yield {"size": size, "model": model, "input": kind, "a": row, "b": others[case(row)]}


def compare_commits(
    a: str,
    b: str,
    size: ClipSize,
    models: list[Subject],
    rounds: int,
    folder: Path,
    run_seconds: float = RUN_SECONDS,
) -> Iterator[Row]:
    """Measure two commits in turns, each from its own files, with this harness.

    Args:
        a, b: commits of this repository.
        size: of the clip.
        models: to run; "default" is each commit's own.
        rounds: each runs both commits once.
        folder: for the clips.
        run_seconds: about so long a run may take.
    Yields:
        as compare_reports().
    """
    worker("clips", folder=str(folder), **asdict(size))
    sides = (size.width, size.height)
    with tempfile.TemporaryDirectory() as place:
        checkouts = {
            side: _files_of(commit, Path(place) / side) for side, commit in (("a", a), ("b", b))
        }
        for model in models:
            for kind in KINDS:
                clip = clip_path(folder, size, kind)
                frames = affordable(clip, size, model, run_seconds)
                whole: dict[str, list[Extraction]] = {"a": [], "b": []}
                single: dict[str, list[Extraction]] = {"a": [], "b": []}
                for _ in range(rounds):
                    for side, checkout in checkouts.items():
                        whole[side].append(extract(clip, sides, model, frames, checkout))
                        single[side].append(extract(clip, sides, model, 1, checkout))
                yield {
                    "size": str(size),
                    "model": model.name,
                    "input": kind,
                    **{s: costs_of(whole[s], single[s], frames) for s in checkouts},
                }


def _files_of(commit: str, folder: Path) -> Path:
    """The package and its models as they were at a commit."""
    folder.mkdir()
    done = subprocess.run(
        ["git", "archive", commit, "vmafsal", "model"], cwd=ROOT, capture_output=True
    )
    if done.returncode:
        sys.exit(f"{commit} is no commit here: {done.stderr.decode().strip()}")
    subprocess.run(["tar", "-x", "-C", folder], input=done.stdout, check=True)
    return folder


if __name__ == "__main__":
    typer.run(compare)
