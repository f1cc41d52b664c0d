"""What a worker does: look whether a clip is done, else score it, or a part of it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from vmafsal.errors import OutputError, VmafsalError
from vmafsal.infer.open import open_session
from vmafsal.job import Job
from vmafsal.library.manifest import Clip
from vmafsal.library.record import (
    Digest,
    Record,
    describe_features,
    describe_log,
    digest_inputs,
    still_holds,
)
from vmafsal.library.segments import Part, PartScores, divide
from vmafsal.logs import Log, encode_log, parse_precision
from vmafsal.logs.file import check_destination, open_log, output_error
from vmafsal.run import Run
from vmafsal.video import Source, open_source
from vmafsal.video.segment import InexactError, SegmentSource, open_segment

__all__ = [
    "Answer",
    "ClipScorer",
    "Divided",
    "ScoreClip",
    "ScorePart",
    "Task",
    "Tell",
    "failure",
    "in_one_piece",
    "record_log",
]

Tell = Callable[[int, int | None, float], None]
"""Called with frames done, frames in all (None where unknown) and frames per second."""


@dataclass(frozen=True, slots=True)
class ScoreClip:
    """A clip to score, unless its record still holds."""

    clip: Clip
    record: Record | None
    """Its last one."""
    features: dict[str, Any]
    """describe_features of its job."""
    segment_seconds: float | None = None
    """Divide it where it is longer; None scores it in one piece."""
    notice: str | None = None
    """For its record, besides what scoring itself has to say."""

    @property
    def name(self) -> str:
        """What a person calls it."""
        return self.clip.output


@dataclass(frozen=True, slots=True)
class ScorePart:
    """A part of a clip to score; the log waits for the others."""

    clip: Clip
    part: Part
    number: int
    """Of the part, from 0."""
    count: int
    """Of all parts."""

    @property
    def name(self) -> str:
        """What a person calls it."""
        return f"{self.clip.output}, part {self.number + 1} of {self.count}"


Task = ScoreClip | ScorePart


@dataclass(frozen=True, slots=True)
class Divided:
    """The answer to a clip that is to be scored in parts."""

    parts: list[Part]
    inputs: dict[str, Any]
    """digest_inputs from before it was looked at."""


Answer = Record | Divided | PartScores | None


class ClipScorer:
    """Scores clips one after the other with sessions that it keeps."""

    def __init__(self, folder: str, digest: Digest, threads: int) -> None:
        """
        Args:
            folder: where logs go.
            digest: how much of an input is read to tell whether it changed.
            threads: of the CPU provider, at the most; so many where a clip does not say it.
        """
        self._folder = folder
        self._digest = digest
        self._threads = threads
        self._open_session = cache(open_session)

    def do(self, task: Task, tell: Tell) -> Answer:
        """Do a task.

        Args:
            task: a clip, or a part of one.
            tell: hears of the progress.
        Returns:
            For a clip its new record, after its log was written; None where the log is as a new
            run would write it; or the parts that it is to be scored in. For a part its scores.
            A failed record where an error ended either.
        """
        begin = time.perf_counter()
        try:
            if isinstance(task, ScorePart):
                return self._score_part(task, tell)
            # Before scoring: a file that changes meanwhile is then done again by the next run.
            inputs = digest_inputs(task.clip.job, self._digest)
            if still_holds(task.record, task.clip, self._folder, inputs, task.features):
                return None
            check_output(self._folder, task.clip)
            try:
                divided = self._divide(task, inputs)
            except InexactError as error:
                divided = None
                task = replace(task, notice=in_one_piece(task.clip, str(error)))
            return divided or self._score_clip(task, inputs, tell)
        except Exception as error:
            return failure(task.clip, error, time.perf_counter() - begin)

    def _divide(self, task: ScoreClip, inputs: dict[str, Any]) -> Divided | None:
        if task.segment_seconds is None:
            return None
        parts = divide(task.clip.job, task.segment_seconds)
        return Divided(parts, inputs) if len(parts) > 1 else None

    def _score_clip(self, task: ScoreClip, inputs: dict[str, Any], tell: Tell) -> Record:
        clip = task.clip
        begin = time.perf_counter()
        with self._open(clip.job) as result:
            log = _read(result, tell)
        return record_log(
            self._folder,
            clip,
            log,
            inputs=inputs,
            features=describe_features(clip.job.features, result.models),
            seconds=time.perf_counter() - begin,
            notices=([task.notice] if task.notice else []) + result.notices,
        )

    def _score_part(self, task: ScorePart, tell: Tell) -> PartScores:
        part = task.part
        opened: list[SegmentSource] = []

        def open_video(path: str, **options: Any) -> Source:
            if part.segment is None:
                return open_source(path, **options)
            opened.append(open_segment(path, part.job.stream, part.segment))
            return opened[0]

        with self._open(part.job, open_video) as result:
            log = _read(result, tell)
        return PartScores(
            log=log,
            head=opened[0].head if opened else [],
            tail=opened[0].tail if opened else [],
            features=describe_features(part.job.features, result.models),
        )

    def _open(self, job: Job, open_video: Callable[..., Source] = open_source) -> Run:
        """A result on this worker's threads, with the sessions that it keeps."""
        threads = min(job.threads or self._threads, self._threads)
        job = replace(job, threads=threads)
        return Run(job, self._open_session, open_video)


def _read(result: Run, tell: Tell) -> Log:
    for done, _ in enumerate(result, start=1):
        tell(done, result.frame_estimate, done / max(result.elapsed_seconds, 1e-9))
    return result.log()


def failure(clip: Clip, error: Exception, seconds: float) -> Record:
    """The record of a clip that an error ended."""
    sentence = str(error)
    if not isinstance(error, VmafsalError):
        sentence = f"It ended with {type(error).__name__}: {error}. This should not happen."
    return Record.of(clip, "failed", error=sentence, seconds=round(seconds, 3))


def in_one_piece(clip: Clip, reason: str) -> str:
    """The notice of a clip that was to be divided and could not be."""
    return f"{clip.job.distorted} was scored in one piece: {reason.rstrip('.')}."


def check_output(folder: str, clip: Clip) -> None:
    """Make sure that a clip's log can be written, and make the folder that it goes to.

    Raises:
        OutputError: if it cannot.
    """
    path = Path(folder, clip.output)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise output_error(str(path), error) from None
    videos = [video for video in (clip.job.distorted, clip.job.reference) if video]
    if check_destination(str(path), videos) is None:
        raise OutputError(f"{path} is no regular file: remove it, or name another output.")


def record_log(
    folder: str,
    clip: Clip,
    log: Log,
    *,
    inputs: dict[str, Any],
    features: dict[str, Any],
    seconds: float,
    notices: list[str],
) -> Record:
    """Write a clip's log, whole or not at all.

    Returns:
        the record that goes with it.
    Raises:
        OutputError: if it cannot be written.
    """
    raw = encode_log(log, clip.format, parse_precision(clip.precision))
    with open_log(os.path.join(folder, clip.output)) as file:
        file.write(raw)
        file.commit()
    return Record.of(
        clip,
        "done",
        frames=len(log.frames),
        pooled={name: dict(values) for name, values in log.pooled().items()},
        seconds=round(seconds, 3),
        notices=notices,
        inputs=inputs,
        features=features,
        provider=(log.vmafsal or {})["provider"],
        log=describe_log(raw),
    )
