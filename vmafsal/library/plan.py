"""The plan of a run: its clips, models and options, checked before anything is scored."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePath
from typing import Any

from vmafsal.errors import UsageError
from vmafsal.files import FilesRead
from vmafsal.job import Feature
from vmafsal.library.clips import Clip, list_problems, read_clips
from vmafsal.library.identity import describe_features
from vmafsal.library.record import Digest, Record
from vmafsal.library.scheduler import PoolRequest
from vmafsal.library.summary import summary_name
from vmafsal.library.tasks import ScoreClip
from vmafsal.models.model import load_model

__all__ = ["LoadedModels", "Plan", "load_models", "make_plan", "take_shard"]

_UNCOMPRESSED = (".yuv", ".y4m", ".raw")
_COMPRESSION = 100
"""Rough ratio of raw video to H.264 at 1080p and 5 Mbit/s."""


@dataclass(frozen=True, slots=True)
class LoadedModels:
    """The models of a run."""

    features: dict[tuple[Feature, ...], dict[str, Any]]
    """describe_features of every set of features that the clips have."""
    files: frozenset[Path]
    """What was read, and the sidecar of each model whether it is there or not."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The clips, models and options of a run."""

    clips: Sequence[Clip]
    models: LoadedModels
    folder: str
    """The output folder."""
    summary: str
    """Name of the summary in it."""
    digest: Digest
    segment_seconds: float | None
    """Longer clips are divided among the workers; None divides none."""

    @property
    def outputs(self) -> list[str]:
        """The output of each clip."""
        return [clip.output for clip in self.clips]

    def tasks(self, records: Mapping[str, Record]) -> list[ScoreClip]:
        """One task for each clip, the longest clip first.

        Args:
            records: the last record of each clip, by output.
        """
        return [
            ScoreClip(
                clip,
                records.get(clip.output),
                self.models.features[clip.job.features],
                self.segment_seconds,
            )
            for clip in sorted(self.clips, key=_weight, reverse=True)
        ]

    def request_workers(self, workers: int | None) -> PoolRequest:
        """The workers that the clips need.

        Args:
            workers: how many; None for one a GPU, or without a GPU one a core.
        """
        devices = {clip.job.device for clip in self.clips}
        named = any(":" in device for device in devices)
        return PoolRequest(
            folder=self.folder,
            digest=self.digest,
            workers=workers,
            # A divided clip keeps several workers busy.
            max_workers=len(self.clips) if self.segment_seconds is None else None,
            gpu=bool(devices & {"auto", "cuda", "tensorrt"}) and not named,
            named_gpu=named,
        )


def make_plan(
    inputs: Sequence[str],
    folder: str,
    defaults: Mapping[str, Any] | None = None,
    *,
    shard: str | None = None,
    digest: Digest = "ends",
    segment_seconds: float | None = None,
) -> Plan:
    """Read and check all that the command line names.

    Args:
        inputs, folder, defaults: as read_clips takes them.
        shard: as take_shard takes it; None for the whole list.
        digest: how much of a video is read to tell whether it changed.
        segment_seconds: divide longer clips; None divides none.
    Raises:
        InputError, ModelError, UsageError: for what is wrong, before anything is written.
    """
    clips = read_clips(inputs, folder, defaults)
    share = clips if shard is None else take_shard(clips, shard)
    # A missing or damaged model ends the run before it begins.
    plan = Plan(share, load_models(clips), folder, summary_name(shard), digest, segment_seconds)
    drawn = next((clip for clip in clips if clip.maps is not None), None)
    if drawn is not None and segment_seconds is not None:
        raise UsageError(
            f"{drawn.place}: maps are written of whole clips alone. Leave --segment or --maps out."
        )
    _check_outputs(plan, clips, inputs)
    return plan


def take_shard(clips: Sequence[Clip], text: str) -> list[Clip]:
    """The share of a list that one of several machines does.

    Args:
        clips: the same list on every machine.
        text: "i/n", i from 1 to n.
    Returns:
        clips i, i + n, i + 2 n, …: neighbours in a list, often alike in length, are spread.
    Raises:
        UsageError: if the text has another form.
    """
    part, slash, parts = text.partition("/")
    known = slash and all(number.isascii() and number.isdigit() for number in (part, parts))
    if not known or not 1 <= int(part) <= int(parts):
        raise UsageError(f"--shard is I/N with I from 1 to N, for example 3/16, not {text!r}.")
    return list(clips[int(part) - 1 :: int(parts)])


def load_models(clips: Iterable[Clip]) -> LoadedModels:
    """Load every model of the clips once.

    Raises:
        ModelError: as load_model says.
    """
    load = cache(load_model)
    described: dict[tuple[Feature, ...], dict[str, Any]] = {}
    files: set[Path] = set()
    for clip in clips:
        features = clip.job.features
        if features not in described:
            models = {feature.column: load(feature.model_path) for feature in features}
            described[features] = describe_features(features, models)
            for model in models.values():
                files.update(model.files)
    return LoadedModels(described, frozenset(files))


def _check_outputs(plan: Plan, clips: Sequence[Clip], inputs: Sequence[str]) -> None:
    """Refuse outputs that would replace a file that any clip of any shard reads."""
    jobs = [clip.job for clip in clips]
    read = [path for job in jobs for path in (job.distorted, job.reference, *job.post_files)]
    files = FilesRead([*filter(None, read), *inputs, *plan.models.files])
    summary = Path(plan.folder, plan.summary)
    outputs = [(path.name, path) for path in (summary, summary.with_suffix(".csv"))]
    outputs += [(f"{clip.place}: its log", Path(plan.folder, clip.output)) for clip in clips]
    maps = [(clip, clip.maps) for clip in clips if clip.maps is not None]
    outputs += [(f"{clip.place}: its maps", Path(plan.folder, one.path)) for clip, one in maps]
    lost = [
        f"{output} would replace {found}, which this run reads."
        for output, path in outputs
        if (found := files.find(path)) is not None
    ]
    if any(one.is_folder for _, one in maps):
        real = {Path(path).resolve() for path in filter(None, read)}
        holding = FilesRead({folder for path in real for folder in path.parents})
        lost += [
            f"{clip.place}: its maps would replace the folder {one.path}, where this run reads."
            for clip, one in maps
            if one.is_folder and holding.find(Path(plan.folder, one.path)) is not None
        ]
    if lost:
        raise UsageError(
            "Nothing was run. Choose another --output-dir, or other outputs in a manifest.\n  "
            + list_problems(lost)
        )


def _weight(clip: Clip) -> int:
    """A rough measure of a clip's length, from its size: opening ten thousand takes minutes."""
    try:
        size = os.stat(clip.job.distorted).st_size
    except OSError:
        return 0  # fails at once, last
    suffix = PurePath(clip.job.distorted).suffix.lower()
    raw = clip.job.width is not None or suffix in _UNCOMPRESSED
    return size if raw else size * _COMPRESSION
