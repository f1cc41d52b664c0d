"""What a worker does with one clip: look whether it is done, else score it and write its log."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from vmafsal.clips.manifest import Clip
from vmafsal.clips.record import (
    Digest,
    Record,
    describe_features,
    describe_log,
    digest_inputs,
    still_holds,
)
from vmafsal.errors import OutputError, VmafsalError
from vmafsal.logs import Log, format_log, parse_precision
from vmafsal.logs.file import check_destination, open_log, output_error
from vmafsal.result import Result, open_session

__all__ = ["ClipScorer", "ScoreClip", "Tell", "failure", "write_log"]

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


class ClipScorer:
    """Scores clips one after the other with sessions that it keeps."""

    def __init__(self, folder: str, digest: Digest, threads: int) -> None:
        """
        Args:
            folder: where logs go.
            digest: how much of an input is read to tell whether it changed.
            threads: of the CPU provider, where a clip does not say otherwise.
        """
        self._folder = folder
        self._digest = digest
        self._threads = threads
        self._open_session = cache(open_session)

    def score(self, task: ScoreClip, tell: Tell) -> Record | None:
        """Score a clip and write its log.

        Args:
            task: the clip.
            tell: hears of the progress.
        Returns:
            Its new record, a failed one where an error ended it; None where its log is as a new
            run would write it.
        """
        clip = task.clip
        begin = time.perf_counter()
        try:
            # Before scoring: a file that changes meanwhile is then done again by the next run.
            inputs = digest_inputs(clip.job, self._digest)
            if still_holds(task.record, clip, self._folder, inputs, task.features):
                return None
            check_output(self._folder, clip)
            job = replace(clip.job, threads=clip.job.threads or self._threads)
            with Result(job, self._open_session) as result:
                for done, _ in enumerate(result, start=1):
                    tell(done, result.frame_estimate, done / max(result.elapsed_seconds, 1e-9))
                log = result.log()
            return Record.of(
                clip,
                "done",
                frames=len(log.frames),
                pooled={name: dict(values) for name, values in log.pooled().items()},
                notices=result.notices,
                inputs=inputs,
                features=describe_features(clip.job.features, result.models),
                provider=result.provider,
                log=write_log(self._folder, clip, log),
                seconds=round(time.perf_counter() - begin, 3),
            )
        except Exception as error:
            return failure(clip, error, time.perf_counter() - begin)


def failure(clip: Clip, error: Exception, seconds: float) -> Record:
    """The record of a clip that an error ended."""
    sentence = str(error)
    if not isinstance(error, VmafsalError):
        sentence = f"It ended with {type(error).__name__}: {error}. This should not happen."
    return Record.of(clip, "failed", error=sentence, seconds=round(seconds, 3))


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


def write_log(folder: str, clip: Clip, log: Log) -> dict[str, Any]:
    """Write a clip's log, whole or not at all.

    Returns:
        its bytes and sha256.
    Raises:
        OutputError: if it cannot be written.
    """
    text = format_log(log, clip.format, parse_precision(clip.precision))
    raw = text.encode("utf-8", "surrogateescape")
    with open_log(os.path.join(folder, clip.output)) as file:
        file.write(raw)
        file.commit()
    return describe_log(raw)
