"""A worker's task: check whether a clip is done, else score it or a part of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import lru_cache
from math import isfinite
from pathlib import Path
from typing import Any, TypeVar

from vmafsal.errors import OutputError
from vmafsal.files import check_destination, output_error, write_whole
from vmafsal.infer.open import open_session
from vmafsal.job import Feature, Job
from vmafsal.library.clips import Clip
from vmafsal.library.identity import (
    describe_features,
    describe_log,
    describe_maps,
    digest_inputs,
    is_current,
)
from vmafsal.library.maps import ClipMaps
from vmafsal.library.record import Digest, Record
from vmafsal.library.segments import PartScores, divide
from vmafsal.library.tasks import (
    OnProgress,
    Outcome,
    Parts,
    ScoreClip,
    ScorePart,
    Task,
    failure,
    whole_clip_notice,
)
from vmafsal.logs import Log, encode_log, parse_precision
from vmafsal.run import Run
from vmafsal.video import Source, open_source
from vmafsal.video.segment import InexactError, SegmentSource, open_segment

T = TypeVar("T")

__all__ = ["SESSIONS", "ClipScorer", "write_log"]

SESSIONS = 4
"""A worker keeps this many sessions, those used last; each holds a model's weights and memory."""


class ClipScorer:
    """Scores clips one after the other and keeps sessions between them."""

    def __init__(self, folder: str, digest: Digest, threads: int) -> None:
        """
        Args:
            folder: the output folder.
            digest: how much of a video is read to tell whether it changed.
            threads: of the CPU provider, for clips that ask for more or do not say.
        """
        self._folder = folder
        self._digest = digest
        self._threads = threads
        self._open_session = lru_cache(SESSIONS)(open_session)
        self._auto_providers: dict[tuple[Feature, ...], str] = {}

    def do(self, task: Task, on_progress: OnProgress) -> Outcome:
        """Do a task.

        Args:
            task: a clip, or a part of one.
            on_progress: called after each frame.
        Returns:
            For a clip its new record, after its log was written; None where its old record is
            current; or the parts to score it in. For a part its scores. A failed record where
            either raised an error.
        """
        begin = time.perf_counter()
        try:
            if isinstance(task, ScorePart):
                return self._score_part(task, on_progress)
            # Before scoring: the next run then scores a file again that changes meanwhile.
            inputs = digest_inputs(task.clip.job, self._digest)
            if self._is_current(task, inputs):
                return None
            _make_folder(self._folder, task.clip)
            try:
                parts = self._divide(task, inputs)
            except InexactError as error:
                parts = None
                task = replace(task, notice=whole_clip_notice(task.clip, str(error)))
            return parts or self._score_clip(task, inputs, on_progress)
        except Exception as error:
            return failure(task.clip, error, time.perf_counter() - begin)

    def is_done(self, task: ScoreClip) -> bool:
        """Whether a clip's record is current, so that `do` would not score it.

        Raises:
            VmafsalError: if a video cannot be read.
        """
        return self._is_current(task, digest_inputs(task.clip.job, self._digest))

    def _is_current(self, task: ScoreClip, inputs: dict[str, Any]) -> bool:
        return is_current(
            task.record,
            task.clip,
            self._folder,
            inputs,
            task.features,
            lambda: self._auto_provider(task.clip.job),
        )

    def _auto_provider(self, job: Job) -> str:
        """The provider that these features run on here, which only a session knows."""
        if job.features not in self._auto_providers:
            with self._open(job) as run:
                self._auto_providers[job.features] = run.provider
        return self._auto_providers[job.features]

    def _divide(self, task: ScoreClip, inputs: dict[str, Any]) -> Parts | None:
        if task.segment_seconds is None:
            return None
        parts = divide(task.clip.job, task.segment_seconds)
        return Parts(parts, inputs) if len(parts) > 1 else None

    def _score_clip(
        self, task: ScoreClip, inputs: dict[str, Any], on_progress: OnProgress
    ) -> Record:
        clip = task.clip
        begin = time.perf_counter()
        with self._open(clip.job) as run:
            if clip.maps is not None:
                self._draw(clip.maps, run, on_progress)
            log = _read(run, on_progress)
        maps = {} if clip.maps is None else describe_maps(clip.maps, self._folder)
        return write_log(
            self._folder,
            clip,
            log,
            inputs=inputs,
            features=describe_features(clip.job.features, run.models),
            seconds=time.perf_counter() - begin,
            notices=[*([task.notice] if task.notice else []), *run.notices],
            maps=maps,
        )

    def _draw(self, maps: ClipMaps, run: Run, on_progress: OnProgress) -> None:
        """Score a clip and write its maps; its numbers stay in the run."""
        with maps.open(self._folder, run) as (add, finish):
            for mapped in _telling(run, run.maps(), on_progress):
                add(mapped.frame, mapped.maps[maps.column], run.first_frame + mapped.frame.index)
            finish()

    def _score_part(self, task: ScorePart, on_progress: OnProgress) -> PartScores:
        part = task.part
        opened: list[SegmentSource] = []

        def open_video(path: str, **options: Any) -> Source:
            if part.segment is None:
                return open_source(path, **options)
            opened.append(open_segment(path, part.job.stream, part.segment))
            return opened[0]

        with self._open(part.job, open_video) as run:
            log = _read(run, on_progress)
        return PartScores(
            log=log,
            head=opened[0].head if opened else [],
            tail=opened[0].tail if opened else [],
            features=describe_features(part.job.features, run.models),
        )

    def _open(self, job: Job, open_video: Callable[..., Source] = open_source) -> Run:
        """A run on this worker's threads and sessions."""
        threads = min(job.threads or self._threads, self._threads)
        return Run(replace(job, threads=threads), self._open_session, open_video)


def _read(run: Run, on_progress: OnProgress) -> Log:
    for _ in _telling(run, run, on_progress):
        pass
    return run.log()


def _telling(run: Run, frames: Iterable[T], on_progress: OnProgress) -> Iterator[T]:
    for done, frame in enumerate(frames, start=1):
        on_progress(done, run.frame_estimate, done / max(run.elapsed_seconds, 1e-9))
        yield frame


def _make_folder(folder: str, clip: Clip) -> None:
    """Make the folder of a clip's log, and check that the log can be written.

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
        raise OutputError(f"{path} is not a regular file: remove it, or name another output.")


def _pooled(log: Log) -> dict[str, dict[str, float | None]]:
    """The pooled values, with None for those that JSON cannot hold."""
    return {
        name: {key: value if isfinite(value) else None for key, value in pooled.items()}
        for name, values in log.pooled().items()
        for pooled in [dict[str, Any](values)]
    }


def write_log(
    folder: str,
    clip: Clip,
    log: Log,
    *,
    inputs: dict[str, Any],
    features: dict[str, Any],
    seconds: float,
    notices: Iterable[str],
    maps: dict[str, Any] | None = None,
) -> Record:
    """Write a clip's log, whole or not at all.

    Args:
        folder: the output folder.
        clip, log: what is written.
        inputs, features, seconds, notices, maps: for the record.
    Returns:
        the record of the clip.
    Raises:
        OutputError: if the log cannot be written.
    """
    raw = encode_log(log, clip.format, parse_precision(clip.precision), clip.times)
    write_whole(Path(folder, clip.output), raw)
    return Record.of(
        clip,
        "done",
        frames=len(log.frames),
        pooled=_pooled(log),
        seconds=round(seconds, 3),
        notices=list(notices),
        inputs=inputs,
        features=features,
        provider=(log.vmafsal or {})["provider"],
        log=describe_log(raw),
        maps=maps or {},
    )
