"""What `--feature psnr` costs: its arithmetic alone, and its share of a run of the command.

`python -m benchmarks.psnr` draws a clip of raw 1080p and scores it with saliency alone, with PSNR
alone, and with both, in turns, so that whatever else the machine does falls on all of them. All
figures are processor time, of all threads: other work on the machine lengthens it less than the
wall clock, but does lengthen it.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Sequence
from os import getloadavg
from pathlib import Path
from statistics import median
from typing import Annotated

import numpy as np
import typer

from benchmarks.clips import ClipSize, clip_path, draw_raw
from benchmarks.command import run_measured
from vmafsal.features.psnr import psnr

__all__ = ["arithmetic", "table"]

RUNS = {
    "mobilesal": ("--feature", "mobilesal"),
    "psnr": ("--feature", "psnr"),
    "both": ("--feature", "mobilesal", "--feature", "psnr"),
}
_MAP = (192, 344)
"""Of the default model, for 1080p."""


def arithmetic(height: int, width: int, bits: int, frames: int) -> list[float]:
    """Processor milliseconds of each of some frames, in a process that does nothing else.

    Args:
        height, width: in pixels.
        bits: a sample, 8 to 16.
        frames: how many.
    """
    random = np.random.default_rng(0)
    saliency = random.random(_MAP, np.float32)
    dtype = np.uint8 if bits == 8 else np.uint16
    # Several, so that none is in cache: as from a decoder.
    pictures = [random.integers(0, 1 << bits, (height, width)).astype(dtype) for _ in range(6)]
    times = []
    for number in range(frames + 1):
        begin = time.process_time()
        psnr(pictures[number % 6], pictures[(number + 1) % 6], saliency, bits)
        times.append(1000 * (time.process_time() - begin))
    return times[1:]  # the first one makes the weights


def measure(clip: Path, size: ClipSize, features: Sequence[str]) -> float:
    """Processor milliseconds a frame of the command, without what the first frame costs."""
    with tempfile.TemporaryDirectory() as folder:

        def seconds(frames: int) -> float:
            program: list[str | Path] = [
                Path(sys.executable).with_name("vmafsal"),
                "-d",
                clip,
                "-r",
                clip,
                "-q",
            ]
            program += ["-w", str(size.width), "-h", str(size.height), *features]
            program += ["--frame_cnt", str(frames), "-o", Path(folder) / "log.json"]
            return run_measured(program).cpu_seconds

        return 1000 * (seconds(size.frames) - seconds(1)) / (size.frames - 1)


def table(kernel: dict[int, list[float]], runs: dict[str, list[float]]) -> str:
    """A Markdown table of the medians, and what psnr adds.

    Args:
        kernel: milliseconds of each frame, by bits a sample.
        runs: milliseconds a frame of each run, by the names of RUNS.
    """
    lines = ["| what | processor ms a frame, median | least |", "|---|---:|---:|"]
    rows = {f"arithmetic of psnr, {bits} bits": times for bits, times in kernel.items()}
    for name, times in (rows | {f"run: {name}": times for name, times in runs.items()}).items():
        lines.append(f"| {name} | {median(times):.2f} | {min(times):.2f} |")
    share = median(kernel[8]) / median(runs["psnr"])
    added = median(runs["both"]) / median(runs["mobilesal"])
    return "\n".join(
        [
            *lines,
            "",
            f"The arithmetic is {share:.0%} of a run of psnr. Saliency and psnr together "
            f"cost {added:.2f} times saliency alone.",
        ]
    )


def main(
    frames: Annotated[int, typer.Option(min=2, help="Of the clip.")] = 120,
    runs: Annotated[int, typer.Option(min=1, help="Of each.")] = 3,
    width: Annotated[int, typer.Option(min=32)] = 1920,
    height: Annotated[int, typer.Option(min=32)] = 1080,
) -> None:
    """Measure what PSNR weighted by saliency costs."""
    size = ClipSize(width, height, frames)
    kernel: dict[int, list[float]] = {8: [], 10: []}
    found: dict[str, list[float]] = {name: [] for name in RUNS}
    with tempfile.TemporaryDirectory() as folder:
        clip = clip_path(Path(folder), size, "yuv")
        draw_raw(clip, size)
        for _ in range(runs):
            for bits, times in kernel.items():
                times += arithmetic(height, width, bits, frames)
            for name, features in RUNS.items():
                found[name].append(measure(clip, size, features))
    print(f"{size}, load average {getloadavg()[0]:.1f}\n\n{table(kernel, found)}")


if __name__ == "__main__":
    typer.run(main)
