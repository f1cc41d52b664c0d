"""The whole run: which worker gets what, in which order, and what is put on record."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Generator, Sequence
from functools import cache
from pathlib import Path, PurePath
from typing import Any

from vmafsal.clips.manifest import Clip
from vmafsal.clips.record import Digest, Record, describe_features
from vmafsal.clips.score import ScoreClip
from vmafsal.clips.summary import Summary
from vmafsal.clips.workers import ATTEMPTS, Died, Event, Finished, Setup, run_tasks, share_cores
from vmafsal.errors import UsageError
from vmafsal.model import load_model
from vmafsal.options import Feature
from vmafsal.session import available_cores

__all__ = ["choose_setups", "describe_models", "run_clips", "take_shard"]

_UNCOMPRESSED = (".yuv", ".y4m", ".raw")
_COMPRESSION = 100
"""About how many times smaller than raw video H.264 is at 1080p and 5 Mbit/s."""

Description = dict[tuple[Feature, ...], dict[str, Any]]


def take_shard(clips: Sequence[Clip], text: str) -> list[Clip]:
    """The part of a list that one of several machines does.

    Args:
        clips: the same list on every machine.
        text: "i/n", i from 1 to n.
    Returns:
        clips i, i + n, i + 2 n, …: neighbours in a list, often alike in length, are spread.
    Raises:
        UsageError: if the text is none of that kind.
    """
    part, slash, parts = text.partition("/")
    known = slash and all(number.isascii() and number.isdigit() for number in (part, parts))
    if not known or not 1 <= int(part) <= int(parts):
        raise UsageError(f"--shard is I/N with I from 1 to N, for example 3/16, not {text!r}.")
    return list(clips[int(part) - 1 :: int(parts)])


def describe_models(clips: Sequence[Clip]) -> Description:
    """Load every model once, so that a missing or damaged one ends the run before it begins.

    Returns:
        describe_features of every set of features that occurs.
    Raises:
        ModelError: as load_model says.
    """
    load = cache(load_model)
    described: Description = {}
    for clip in clips:
        features = clip.job.features
        if features not in described:
            models = {feature.column: load(feature.model) for feature in features}
            described[features] = describe_features(features, models)
    return described


def choose_setups(
    clips: Sequence[Clip], workers: int | None, folder: str, digest: Digest
) -> list[Setup]:
    """One setup a worker: a GPU each where there are any, else a share of the cores each.

    Args:
        clips: what there is to do; there are never more workers than that.
        workers: how many; None for one a GPU, or without a GPU one a core.
        folder, digest: for every worker.
    """
    shared = all(":" not in clip.job.device for clip in clips)
    wanted = any(clip.job.device in ("auto", "cuda", "tensorrt") for clip in clips)
    gpus = visible_gpus() if shared and wanted else []
    count = max(1, min(workers or len(gpus) or available_cores(), len(clips)))
    return [
        Setup(folder, digest, cores, gpus[number % len(gpus)] if gpus else None)
        for number, cores in enumerate(share_cores(count))
    ]


def visible_gpus() -> list[str]:
    """NVIDIA GPUs that this process may use, as CUDA_VISIBLE_DEVICES names them."""
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is not None:
        return [name.strip() for name in chosen.split(",") if name.strip() not in ("", "-1")]
    # Asking CUDA itself would cost this process a context on every GPU.
    folder = Path("/proc/driver/nvidia/gpus")
    return [str(number) for number, _ in enumerate(folder.iterdir())] if folder.is_dir() else []


def run_clips(
    clips: Sequence[Clip], described: Description, summary: Summary, setups: Sequence[Setup]
) -> Generator[Event | Record]:
    """Score what is not done yet, the longest first.

    Args:
        clips: each with an output of its own.
        described: what describe_models returned.
        summary: open; every clip that was scored or failed is put on record.
        setups: one a worker.
    Yields:
        the workers' events, and behind the last event of each clip that got one its record.
    Raises:
        VmafsalError: if no worker can start, or the summary cannot be written.
    """
    tasks = [
        ScoreClip(clip, summary.records.get(clip.output), described[clip.job.features])
        for clip in sorted(clips, key=_weight, reverse=True)
    ]
    for event in run_tasks(setups, deque(tasks)):
        yield event
        record = event.answer if isinstance(event, Finished) else None
        if isinstance(event, Died) and event.given_up:
            record = _killer(event)
        if record is not None:
            summary.append(record)
            yield record


def _weight(clip: Clip) -> int:
    """About how much work a clip is, by its size: opening ten thousand would take minutes."""
    try:
        size = os.stat(clip.job.distorted).st_size
    except OSError:
        return 0  # fails at once, last
    suffix = PurePath(clip.job.distorted).suffix.lower()
    raw = clip.job.width is not None or suffix in _UNCOMPRESSED
    return size if raw else size * _COMPRESSION


def _killer(event: Died) -> Record:
    times = {2: "twice"}.get(ATTEMPTS, f"{ATTEMPTS} times")
    return Record.of(
        event.task.clip,
        "failed",
        error=f"{event.task.clip.job.distorted} ended its worker process {times}, last with "
        f"{event.cause}. Where memory ran out, fewer --workers leave more to each.",
    )
