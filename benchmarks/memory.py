"""Peak memory of a long clip: it must not grow with the length."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.clips import ClipSize, clip_path, draw_raw
from benchmarks.command import Subject, extract, worker

__all__ = ["main", "measure_memory"]


def measure_memory(folder: Path, size: ClipSize, model: Subject) -> dict[str, Any]:
    """Draw a long raw clip, score it, and delete it.

    Args:
        folder: for the clip, which takes 1.5 bytes a pixel and frame.
        size: of the clip.
        model: to run.
    """
    clip = clip_path(folder, size, "yuv")
    try:
        worker("memory", folder=str(folder), **asdict(size))
        run = extract(clip, (size.width, size.height), model)
    finally:
        clip.unlink(missing_ok=True)
    return {
        "size": str(size),
        "frames": run.frames,
        "model_id": run.model,
        "peak_mib": run.cost.peak_mib,
        "seconds": run.cost.seconds,
        "fps": run.frames / run.scoring_seconds,
    }


def main(*, folder: str, width: int, height: int, frames: int) -> None:
    """Draw the clip; called in a separate process, so that its memory is not counted."""
    size = ClipSize(width, height, frames)
    Path(folder).mkdir(parents=True, exist_ok=True)
    draw_raw(clip_path(Path(folder), size, "yuv"), size)
