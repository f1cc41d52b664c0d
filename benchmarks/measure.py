"""Measures one row after the other: the command, and the floor beside it, in turns."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.clips import ClipSize, clip_path
from benchmarks.command import ROOT, Extraction, Subject, extract, worker
from benchmarks.stages import quickest
from vmafsal.infer.plan import available_cores

__all__ = ["KINDS", "RUN_SECONDS", "affordable", "costs_of", "measure", "subjects"]

KINDS = ("yuv", "mp4")
"""Raw planar YUV, and the same pictures as H.264 in MP4."""

RUN_SECONDS = 4.0
"""About so long a run takes at the most: slow models are measured on fewer frames."""

_TENSOR = ("height", "width", "batch_size", "threads", "at_once")
"""What floor.py takes: the shape of the tensors, and how they are run."""

_SHARED = ("resample", "colour", "features")
"""Stages that cost the same from every kind of file."""

_FEWEST_FRAMES = 4
_TRIAL_SECONDS = 0.3
_PLACEHOLDER = "mobilesal_placeholder_v0"
_PEERS = ROOT.parent / "shared" / "oracle" / "peer_models"

Row = dict[str, Any]
Times = dict[str, float]


def subjects() -> list[Subject]:
    """The placeholder, the students that can be found, and the packaged default.

    The students v1 and v2, which run native, are those in the package, else those that lie
    beside the checkout. A default that is one of these is measured under its own name.
    """
    from vmafsal.models.registry import packaged_registry

    registry = packaged_registry()
    by_id = {entry.id: str(registry.folder / entry.onnx) for entry in registry.entries}
    found = [Subject("placeholder", by_id[_PLACEHOLDER])]
    students = {name: f"saliency_student_{name}" for name in ("v1", "v2")}
    for name, student in students.items():
        beside = _PEERS / f"{student}.onnx"
        if student in by_id or beside.is_file():
            found.append(Subject(name, by_id.get(student, str(beside)), native=True))
    if registry.default not in (_PLACEHOLDER, *students.values()):
        found.append(Subject("default", None))
    return found


def measure(
    folder: Path,
    sizes: Sequence[ClipSize],
    models: Sequence[Subject],
    rounds: int,
    peak: float,
    kinds: Sequence[str] = KINDS,
    tell: Callable[[str], None] = lambda _: None,
    run_seconds: float = RUN_SECONDS,
) -> Iterator[Row]:
    """Draw what is missing, and measure every size with every model from every kind of file.

    Args:
        folder: for the clips.
        sizes: of the clips; two frames at least.
        models: to run.
        rounds: each round runs the command and the floor once, in turns.
        peak: of the machine, in GFLOP/s.
        kinds: of files.
        tell: called with a line of progress.
        run_seconds: about so long a run may take; it ends after fewer frames where it must.
    Yields:
        one row for each size, model and kind; docs/benchmarks.md explains its fields.
    """
    for size in sizes:
        tell(f"drawing {size}")
        worker("clips", folder=str(folder), **asdict(size))
        clips = {kind: clip_path(folder, size, kind) for kind in kinds}
        for model in models:
            frames = affordable(next(iter(clips.values())), size, model, run_seconds)
            tell(f"{size} {model.name}: {frames} frames")
            yield from _rows(clips, replace(size, frames=frames), model, rounds, peak)


def affordable(clip: Path, size: ClipSize, model: Subject, run_seconds: float) -> int:
    """How many frames of a clip a run can score in about a time; all, or four at the least."""
    if run_seconds == float("inf"):
        return size.frames
    frames = 2
    while True:
        seconds = extract(clip, (size.width, size.height), model, frames).scoring_seconds
        if seconds >= _TRIAL_SECONDS:
            return min(size.frames, max(int(run_seconds * frames / seconds), _FEWEST_FRAMES))
        if frames == size.frames:
            return frames
        frames = min(8 * frames, size.frames)


def _rows(
    clips: dict[str, Path], size: ClipSize, model: Subject, rounds: int, peak: float
) -> Iterator[Row]:
    sides = (size.width, size.height)
    whole: dict[str, list[Extraction]] = {kind: [] for kind in clips}
    single: dict[str, list[Extraction]] = {kind: [] for kind in clips}
    looks: list[dict[str, Any]] = []
    floors: list[Times] = []
    for _ in range(rounds):
        # In turns, so that other load affects stages, floor and command alike.
        facts = worker(
            "stages",
            clips={kind: str(path) for kind, path in clips.items()},
            width=size.width,
            height=size.height,
            model=model.spec,
            native=model.native,
            frames=size.frames,
        )
        tensor = {name: facts[name] for name in _TENSOR}
        looks.append(facts)
        floors.append(worker("floor", model=model.spec, frames=size.frames, **tensor))
        for kind, clip in clips.items():
            whole[kind].append(extract(clip, sides, model, frames=size.frames))
            single[kind].append(extract(clip, sides, model, frames=1))
    inference = {name: value / size.frames for name, value in quickest(floors).items()}
    for kind in clips:
        stages = {
            "read": quickest(look["read"][kind] for look in looks),
            "inference": inference,
            **{name: quickest(look[name] for look in looks) for name in _SHARED},
        }
        costs = costs_of(whole[kind], single[kind], size.frames)
        yield {
            "size": str(size),
            "model": model.name,
            "model_id": facts["model"],
            "input": kind,
            "frames": size.frames,
            "batch_size": facts["batch_size"],
            "threads": facts["threads"],
            "at_once": facts["at_once"],
            "short_side": facts["short_side"],
            **costs,
            "stages": stages,
            **_ratios(costs, stages, size.frames),
            "flops": facts["flops"],
            "share_of_peak": facts["flops"] / inference["seconds"] / (peak * 1e9),
        }


def costs_of(
    whole: Sequence[Extraction], single: Sequence[Extraction], frames: int
) -> dict[str, float]:
    """End to end, the best of the rounds: what disturbs a run only ever makes it slower.

    Args:
        whole: runs on all frames.
        single: runs on the first frame alone.
        frames: of a whole run; two at least.
    """
    seconds = [run.cost.seconds for run in whole]
    first = min(run.cost.seconds for run in single)
    first_cpu = min(run.cost.cpu_seconds for run in single)
    all_cpu = min(run.cost.cpu_seconds for run in whole)
    frame = (min(seconds) - first) / (frames - 1)
    return {
        "seconds": min(seconds),
        "seconds_median": median(seconds),
        # What a run on one frame costs besides that frame.
        "startup_seconds": first - frame,
        "frame_seconds": frame,
        "frame_cpu_seconds": (all_cpu - first_cpu) / (frames - 1),
        "scoring_seconds": min(run.scoring_seconds for run in whole),
        "peak_mib": max(run.cost.peak_mib for run in whole),
    }


def _ratios(costs: dict[str, float], stages: dict[str, Times], frames: int) -> Row:
    """End to end beside the floor, beside the bound, and where the processor's time went."""
    floor = stages["inference"]["seconds"]
    cpu = {name: times["cpu_seconds"] for name, times in stages.items()}
    # Stages that overlap perfectly take as long as the slowest, or as all cores need for the sum.
    slowest = max(times["seconds"] for times in stages.values())
    bound = max(slowest, sum(cpu.values()) / available_cores())
    shares = {
        "decode": cpu["read"],
        "colour": cpu["resample"] + cpu["colour"],
        "inference": cpu["inference"],
    }
    total = costs["frame_cpu_seconds"]
    return {
        "ratio": costs["frame_seconds"] / floor,
        "scoring_ratio": costs["scoring_seconds"] / frames / floor,
        "bound_seconds": bound,
        "of_bound": bound / costs["frame_seconds"],
        "share": {name: part / total for name, part in shares.items()}
        | {"rest": 1 - sum(shares.values()) / total},
    }
