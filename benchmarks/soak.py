"""python -m benchmarks.soak: whether memory, handles and threads of a long process stay constant.

Small clips of several kinds, some of them broken, and one long clip of 2160p run in one process.
After every clip, and after every frame of the long one, its resident memory, open handles and
threads are noted. None of the three may grow after a warm-up.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import astuple, dataclass
from datetime import UTC, datetime
from itertools import cycle, islice
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import numpy as np
import psutil
import typer

from benchmarks.clips import ClipSize, clip_path, moving_planes
from benchmarks.clips import main as draw_clip
from benchmarks.command import ROOT, worker
from benchmarks.machine import describe, revision, slug
from benchmarks.report import table

__all__ = ["GROWTH_BAR", "Sample", "judge", "main", "soak"]

GROWTH_BAR = 0.05
"""Resident memory grows by at most so much after the warm-up."""

_MODEL = "mobilesal_placeholder_v0"
_WARM_UP = 1 / 4
_LOOP_FRAMES = 6
_CURVE_POINTS = 60
_SMALL = ClipSize(576, 324, 12)


@dataclass(frozen=True, slots=True)
class Sample:
    """The resources of a process at one moment."""

    rss: int
    """Resident memory in bytes."""
    handles: int
    threads: int


def soak(
    frames: Annotated[int, typer.Option(help="Of the long clip.", min=8)] = 2000,
    clips: Annotated[int, typer.Option(help="Small ones, in each way.", min=8)] = 200,
    size: Annotated[str, typer.Option(help="Of the long clip, as WIDTHxHEIGHT.")] = "3840x2160",
    results: Annotated[Path, typer.Option(help="Folder for what was measured.")] = ROOT
    / "benchmarks"
    / "results",
) -> None:
    """Score small clips and a long one in one process; exit 1 if the process grows."""
    try:
        width, height = map(int, size.split("x"))
    except ValueError:
        raise typer.BadParameter(f"--size is for example 3840x2160, not {size}.") from None
    machine, commit = describe(), revision(ROOT)
    with tempfile.TemporaryDirectory() as folder:
        pipe = Path(folder, "long.yuv")
        os.mkfifo(pipe)
        long = ClipSize(width, height, frames)
        threading.Thread(target=_feed, args=(pipe, long), daemon=True).start()
        _draw(Path(folder))
        parts = worker(
            "soak", folder=folder, clips=clips, pipe=str(pipe), width=width, height=height
        )
    rows = [{"part": name, **judge([Sample(*one) for one in noted])} for name, noted in parts]
    report = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit,
        "machine": machine,
        "model": _MODEL,
        "malloc_arena_max": os.environ.get("MALLOC_ARENA_MAX", "not set"),
        "size": size,
        "rows": rows,
    }
    text = _markdown(report)
    print(text)
    results.mkdir(parents=True, exist_ok=True)
    target = results / f"soak_{report['commit']}_{slug(machine)}"
    target.with_suffix(".json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    target.with_suffix(".md").write_text(text, encoding="utf-8")
    if not all(row["flat"] for row in rows):
        raise typer.Exit(1)


def judge(samples: Sequence[Sample]) -> dict[str, Any]:
    """Whether a process kept its size.

    Args:
        samples: in order; the first quarter is the warm-up.
    Returns:
        peak memory in the warm-up and after it, and its growth; the median number of handles and
        of threads in the second half of the warm-up and in the last quarter; `flat`.
    """
    warm = max(2, int(len(samples) * _WARM_UP))
    first, last = samples[warm // 2 : warm], samples[-warm:]
    peaks = [max(sample.rss for sample in part) for part in (samples[:warm], samples[warm:])]
    growth = peaks[1] / peaks[0] - 1
    handles, threads = (
        [median(getattr(sample, name) for sample in part) for part in (first, last)]
        for name in ("handles", "threads")
    )
    step = max(1, len(samples) // _CURVE_POINTS)
    return {
        "samples": len(samples),
        "peak_mib": [peak / 2**20 for peak in peaks],
        "growth": growth,
        "handles": handles,
        "threads": threads,
        "flat": growth <= GROWTH_BAR and handles[1] <= handles[0] and threads[1] <= threads[0],
        "rss_mib": [round(sample.rss / 2**20, 1) for sample in samples[::step]],
    }


def main(*, folder: str, clips: int, pipe: str, width: int, height: int) -> list[Any]:
    """The measured process.

    Args:
        folder: that _draw filled.
        clips: how many to score, in each of the two ways.
        pipe: the long clip.
        width, height: of the long clip.
    Returns:
        (part, samples) of each part, samples as tuples.
    """
    from vmafsal import extract
    from vmafsal.errors import VmafsalError
    from vmafsal.library.plan import make_plan
    from vmafsal.library.scorer import ClipScorer

    output = os.path.join(folder, "logs")
    names = [os.path.join(folder, "clips.csv")]
    plan = make_plan(names, output, {"feature": [f"mobilesal=model_path={_MODEL}"]})
    scorer = ClipScorer(output, "ends", len(psutil.Process().cpu_affinity()))

    def alone() -> Iterator[None]:
        for clip in islice(cycle(plan.clips), clips):
            job = clip.job
            with suppress(VmafsalError):
                extract(
                    job.distorted,
                    job.reference,
                    model=_MODEL,
                    width=job.width,
                    height=job.height,
                    pixel_format=job.pixel_format,
                    bitdepth=job.bitdepth,
                ).read()
            yield

    def kept() -> Iterator[None]:
        for task in islice(cycle(plan.tasks({})), clips):
            scorer.do(task, lambda *_: None)
            yield

    def long() -> Iterator[None]:
        with extract(pipe, model=_MODEL, width=width, height=height) as result:
            yield from (None for _ in result)

    return [
        ("small clips, a session each", _watch(alone)),
        ("small clips, sessions kept", _watch(kept)),
        (f"one clip of {width}x{height}, frame by frame", _watch(long)),
    ]


def _watch(work: Callable[[], Iterator[None]]) -> list[tuple[int, ...]]:
    process = psutil.Process()
    return [
        astuple(Sample(process.memory_info().rss, process.num_fds(), process.num_threads()))
        for _ in work()
    ]


def _draw(folder: Path) -> None:
    """Small clips of several kinds, two of them damaged, and a manifest of them."""
    sides = {"width": _SMALL.width, "height": _SMALL.height}
    draw_clip(folder=str(folder), frames=_SMALL.frames, **sides)
    raw, coded = (clip_path(folder, _SMALL, kind) for kind in ("yuv", "mp4"))
    deep = folder / "deep.yuv"
    samples = np.arange(_SMALL.frames * 2 * 352 * 288) % 1024
    deep.write_bytes(samples.astype("<u2").tobytes())
    (folder / "torn.yuv").write_bytes(raw.read_bytes()[:-1000])
    (folder / "bad.mp4").write_bytes(coded.read_bytes()[:3000])
    for role in ("ref", "dist"):
        shutil.copy(ROOT / "fixtures" / "yuv" / f"demo_{role}.mp4", folder)
    size = f"{_SMALL.width},{_SMALL.height}"
    (folder / "clips.csv").write_text(
        "distorted,reference,width,height,pixel_format,bitdepth,output\n"
        f"{raw.name},,{size},,,raw.csv\n"
        f"{coded.name},,,,,,coded.json\n"
        "deep.yuv,,352,288,422,10,deep.xml\n"
        "demo_dist.mp4,demo_ref.mp4,,,,,demo.json\n"
        f"torn.yuv,,{size},,,torn.sub\n"
        "bad.mp4,,,,,,bad.json\n"
    )


def _feed(pipe: Path, size: ClipSize) -> None:
    """Write a long clip to a pipe: a few pictures, again and again."""
    loop = [
        b"".join(plane.tobytes() for plane in planes)
        for planes in moving_planes(ClipSize(size.width, size.height, _LOOP_FRAMES))
    ]
    with suppress(BrokenPipeError), open(pipe, "wb", buffering=0) as file:
        for picture in islice(cycle(loop), size.frames):
            view = memoryview(picture)
            while view:
                view = view[file.write(view) :]


def _markdown(report: dict[str, Any]) -> str:
    machine = report["machine"]
    columns: list[tuple[str, Callable[[dict[str, Any]], str]]] = [
        ("part", lambda row: row["part"]),
        ("samples", lambda row: str(row["samples"])),
        ("peak MiB in the warm-up", lambda row: f"{row['peak_mib'][0]:.1f}"),
        ("after it", lambda row: f"{row['peak_mib'][1]:.1f}"),
        ("growth", lambda row: f"{row['growth']:+.1%}"),
        ("handles", lambda row: "{:g} to {:g}".format(*row["handles"])),
        ("threads", lambda row: "{:g} to {:g}".format(*row["threads"])),
        ("flat", lambda row: "yes" if row["flat"] else "**no**"),
    ]
    return "\n".join(
        [
            f"# Soak: {machine['processor']}, {machine['cores']} cores\n",
            f"Commit {report['commit']}, {report['date']}, {report['model']}. One process, the "
            "parts one after the other. The first quarter of each is its warm-up; memory may grow "
            f"by {GROWTH_BAR:.0%} after it, handles and threads not at all. "
            f"MALLOC_ARENA_MAX: {report['malloc_arena_max']}.\n",
            table(columns, report["rows"]),
        ]
    )


if __name__ == "__main__":
    typer.run(soak)
