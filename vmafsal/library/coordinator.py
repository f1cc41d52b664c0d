"""Runs the tasks: turns their outcomes into records, and divided clips into parts."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field, replace

from vmafsal.errors import VmafsalError
from vmafsal.library.clips import Clip
from vmafsal.library.record import Record
from vmafsal.library.scheduler import (
    ATTEMPTS,
    Event,
    TaskFinished,
    WorkerDied,
    WorkerPool,
    run_tasks,
)
from vmafsal.library.scorer import write_log
from vmafsal.library.segments import PartScores, join_parts
from vmafsal.library.summary import Summary
from vmafsal.library.tasks import (
    Outcome,
    Parts,
    ScoreClip,
    ScorePart,
    Task,
    failure,
    whole_clip_notice,
)
from vmafsal.video.segment import InexactError

__all__ = ["ClipDone", "run_clips"]


@dataclass(frozen=True, slots=True)
class ClipDone:
    """A clip was scored, failed, or was done before."""

    clip: Clip
    record: Record | None
    """None where its earlier record is current."""


def run_clips(
    tasks: Sequence[ScoreClip], summary: Summary, pool: WorkerPool
) -> Generator[Event | ClipDone]:
    """Score what is not done yet.

    Args:
        tasks: of Plan.tasks.
        summary: open; gets a record of every clip that was scored or failed.
        pool: not started yet; it is closed at the end.
    Yields:
        the events of the pool, and one ClipDone for each clip.
    Raises:
        VmafsalError: if no worker can start, or the summary cannot be written.
    """
    queue: deque[Task] = deque(tasks)
    results = _Results(summary, queue)
    for event in run_tasks(pool, queue):
        yield event
        if isinstance(event, TaskFinished | WorkerDied):
            done = results.add(event)
            if done is not None:
                yield done


@dataclass(slots=True)
class _PartialClip:
    """A clip that is being scored in parts."""

    task: ScoreClip
    parts: Parts
    begin: float
    scores: dict[int, PartScores] = field(default_factory=dict)


class _Results:
    """Turns the outcomes of tasks into records, and into further tasks."""

    def __init__(self, summary: Summary, queue: deque[Task]) -> None:
        self._summary = summary
        self._queue = queue
        self._partial: dict[str, _PartialClip] = {}

    def add(self, event: TaskFinished | WorkerDied) -> ClipDone | None:
        """Take in how a task ended; returns its clip if that is done."""
        task = event.task
        if isinstance(task, ScorePart) and task.clip.output not in self._partial:
            return None  # its clip is scored as a whole by now
        if isinstance(event, WorkerDied):
            return self._record(task.clip, _fatal_clip(event)) if event.given_up else None
        outcome = event.outcome
        if isinstance(task, ScorePart):
            return self._add_part(task, outcome)
        if isinstance(outcome, Parts):
            self._divide(task, outcome)
            return None
        assert not isinstance(outcome, PartScores)
        return self._record(task.clip, outcome)

    def _record(self, clip: Clip, record: Record | None) -> ClipDone:
        self._drop_parts(clip)
        if record is not None:
            self._summary.append(record)
        return ClipDone(clip, record)

    def _divide(self, task: ScoreClip, parts: Parts) -> None:
        count = len(parts.parts)
        self._partial[task.clip.output] = _PartialClip(task, parts, time.perf_counter())
        self._queue.extendleft(
            ScorePart(task.clip, parts.parts[number], number, count)
            for number in reversed(range(count))
        )

    def _add_part(self, task: ScorePart, outcome: Outcome) -> ClipDone | None:
        partial = self._partial[task.clip.output]
        if not isinstance(outcome, PartScores):
            assert isinstance(outcome, Record)
            self._score_whole(partial, outcome.error or "")
            return None
        partial.scores[task.number] = outcome
        if len(partial.scores) < task.count:
            return None
        seconds = time.perf_counter() - partial.begin
        try:
            return self._record(task.clip, self._join(partial, seconds))
        except InexactError as error:
            self._score_whole(partial, str(error))
        except VmafsalError as error:
            return self._record(task.clip, failure(task.clip, error, seconds))
        return None

    def _join(self, partial: _PartialClip, seconds: float) -> Record:
        clip, parts = partial.task.clip, partial.parts.parts
        scores = [partial.scores[number] for number in range(len(parts))]
        log = join_parts(clip.job, parts, scores, seconds)
        return write_log(
            str(self._summary.path.parent),
            clip,
            log,
            inputs=partial.parts.inputs,
            features=scores[0].features,
            seconds=seconds,
            notices=(log.vmafsal or {})["notices"],
        )

    def _score_whole(self, partial: _PartialClip, reason: str) -> None:
        """Queue a divided clip again, to be scored as a whole."""
        clip = partial.task.clip
        self._drop_parts(clip)
        self._queue.appendleft(
            replace(partial.task, segment_seconds=None, notice=whole_clip_notice(clip, reason))
        )

    def _drop_parts(self, clip: Clip) -> None:
        """Forget the parts of a clip, those in the queue included."""
        if self._partial.pop(clip.output, None) is not None:
            rest = [t for t in self._queue if not (isinstance(t, ScorePart) and t.clip is clip)]
            self._queue.clear()
            self._queue.extend(rest)


def _fatal_clip(event: WorkerDied) -> Record:
    times = {2: "twice"}.get(ATTEMPTS, f"{ATTEMPTS} times")
    return Record.of(
        event.task.clip,
        "failed",
        error=f"{event.task.clip.job.distorted} ended its worker process {times}, last with "
        f"{event.cause}. If memory ran out, run it with fewer --workers.",
    )
