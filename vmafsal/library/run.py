"""The whole run: which worker gets what, in which order, and what is put on record."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import PurePath
from typing import Any

from vmafsal.errors import UsageError, VmafsalError
from vmafsal.job import Feature
from vmafsal.library.engine import ATTEMPTS, Demand, Died, Engine, Event, Finished, run_tasks
from vmafsal.library.manifest import Clip
from vmafsal.library.record import Digest, Record, describe_features
from vmafsal.library.score import (
    Answer,
    Divided,
    ScoreClip,
    ScorePart,
    Task,
    failure,
    in_one_piece,
    record_log,
)
from vmafsal.library.segments import PartScores, join_parts
from vmafsal.library.summary import Summary
from vmafsal.models.model import load_model
from vmafsal.video.segment import InexactError

__all__ = ["Through", "choose_demand", "describe_models", "run_clips", "take_shard"]

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
            models = {feature.column: load(feature.model_path) for feature in features}
            described[features] = describe_features(features, models)
    return described


def choose_demand(
    clips: Sequence[Clip],
    workers: int | None,
    folder: str,
    digest: Digest,
    divided: bool = False,
) -> Demand:
    """What these clips ask of the workers.

    Args:
        clips: what there is to do.
        workers: how many were asked for; None for one a GPU, or without a GPU one a core.
        folder, digest: for every worker.
        divided: a clip may keep more than one worker busy; else there are no more than clips.
    """
    named = any(":" in clip.job.device for clip in clips)
    wanted = any(clip.job.device in ("auto", "cuda", "tensorrt") for clip in clips)
    return Demand(
        folder=folder,
        digest=digest,
        workers=workers,
        most=None if divided else len(clips),
        gpu=wanted and not named,
        named_gpu=named,
    )


@dataclass(frozen=True, slots=True)
class Through:
    """A clip is done with, for this run."""

    clip: Clip
    record: Record | None
    """None where its earlier record still holds."""


def run_clips(
    clips: Sequence[Clip],
    described: Description,
    summary: Summary,
    engine: Engine,
    segment_seconds: float | None = None,
) -> Generator[Event | Through]:
    """Score what is not done yet, the longest first.

    Args:
        clips: each with an output of its own.
        described: what describe_models returned.
        summary: open; every clip that was scored or failed is put on record.
        engine: not started yet; it is closed at the end.
        segment_seconds: clips that are longer are divided among the workers; None for none.
    Yields:
        the workers' events, and one Through for each clip.
    Raises:
        VmafsalError: if no worker can start, or the summary cannot be written.
    """
    todo: deque[Task] = deque(
        ScoreClip(
            clip, summary.records.get(clip.output), described[clip.job.features], segment_seconds
        )
        for clip in sorted(clips, key=_weight, reverse=True)
    )
    ledger = _Ledger(summary, todo)
    for event in run_tasks(engine, todo):
        yield event
        if isinstance(event, Finished | Died):
            through = ledger.settle(event)
            if through is not None:
                yield through


@dataclass(slots=True)
class _Gathered:
    """The parts of a clip that is scored in parts."""

    task: ScoreClip
    divided: Divided
    begin: float
    scores: dict[int, PartScores] = field(default_factory=dict)


class _Ledger:
    """Turns what workers answer into records, and into more to do."""

    def __init__(self, summary: Summary, todo: deque[Task]) -> None:
        self._summary = summary
        self._todo = todo
        self._gathered: dict[str, _Gathered] = {}

    def settle(self, event: Finished | Died) -> Through | None:
        """Note how a task ended; what that means for its clip, if it is done with."""
        task = event.task
        if isinstance(task, ScorePart) and task.clip.output not in self._gathered:
            return None  # its clip is scored in one piece by now
        if isinstance(event, Died):
            return self._enter(task.clip, _killer(event)) if event.given_up else None
        answer = event.answer
        if isinstance(task, ScorePart):
            return self._gather(task, answer)
        if isinstance(answer, Divided):
            self._divide(task, answer)
            return None
        assert not isinstance(answer, PartScores)
        return self._enter(task.clip, answer)

    def _enter(self, clip: Clip, record: Record | None) -> Through:
        self._forget(clip)
        if record is not None:
            self._summary.append(record)
        return Through(clip, record)

    def _divide(self, task: ScoreClip, divided: Divided) -> None:
        count = len(divided.parts)
        self._gathered[task.clip.output] = _Gathered(task, divided, time.perf_counter())
        self._todo.extendleft(
            ScorePart(task.clip, divided.parts[number], number, count)
            for number in reversed(range(count))
        )

    def _gather(self, task: ScorePart, answer: Answer) -> Through | None:
        gathered = self._gathered[task.clip.output]
        if not isinstance(answer, PartScores):
            assert isinstance(answer, Record)
            self._rejoin(gathered, answer.error or "")
            return None
        gathered.scores[task.number] = answer
        if len(gathered.scores) < task.count:
            return None
        seconds = time.perf_counter() - gathered.begin
        try:
            return self._enter(task.clip, self._join(gathered, seconds))
        except InexactError as error:
            self._rejoin(gathered, str(error))
        except VmafsalError as error:
            return self._enter(task.clip, failure(task.clip, error, seconds))
        return None

    def _join(self, gathered: _Gathered, seconds: float) -> Record:
        clip, parts = gathered.task.clip, gathered.divided.parts
        scores = [gathered.scores[number] for number in range(len(parts))]
        log = join_parts(clip.job, parts, scores, seconds)
        return record_log(
            str(self._summary.path.parent),
            clip,
            log,
            inputs=gathered.divided.inputs,
            features=scores[0].features,
            seconds=seconds,
            notices=list((log.vmafsal or {})["notices"]),
        )

    def _rejoin(self, gathered: _Gathered, reason: str) -> None:
        """Have a clip scored in one piece after all."""
        clip = gathered.task.clip
        self._forget(clip)
        self._todo.appendleft(
            replace(gathered.task, segment_seconds=None, notice=in_one_piece(clip, reason))
        )

    def _forget(self, clip: Clip) -> None:
        """Drop a clip's parts, those that wait for a worker too."""
        if self._gathered.pop(clip.output, None) is not None:
            waiting = [t for t in self._todo if not (isinstance(t, ScorePart) and t.clip is clip)]
            self._todo.clear()
            self._todo.extend(waiting)


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
