"""The tasks of a worker, and their outcomes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from vmafsal.errors import VmafsalError
from vmafsal.library.clips import Clip
from vmafsal.library.record import Record
from vmafsal.library.segments import Part, PartScores

__all__ = [
    "OnProgress",
    "Outcome",
    "Parts",
    "ScoreClip",
    "ScorePart",
    "Task",
    "failure",
    "whole_clip_notice",
]

OnProgress = Callable[[int, int | None, float], None]
"""Called with frames done, frames in all (None where unknown) and frames per second."""


@dataclass(frozen=True, slots=True)
class ScoreClip:
    """Score a clip, unless its record is still current."""

    clip: Clip
    record: Record | None
    """The clip's last record."""
    features: dict[str, Any]
    """See describe_features."""
    segment_seconds: float | None = None
    """Divide the clip if it is longer; None scores it as a whole."""
    notice: str | None = None
    """For the record, beside the notices of the run itself."""

    @property
    def name(self) -> str:
        """The task in the table of workers."""
        return self.clip.output


@dataclass(frozen=True, slots=True)
class ScorePart:
    """Score one part of a divided clip."""

    clip: Clip
    part: Part
    number: int
    """Index of the part, from 0."""
    count: int
    """Number of parts of the clip."""

    @property
    def name(self) -> str:
        """The task in the table of workers."""
        return f"{self.clip.output}, part {self.number + 1} of {self.count}"


Task = ScoreClip | ScorePart


@dataclass(frozen=True, slots=True)
class Parts:
    """The outcome for a clip that is to be scored in parts."""

    parts: list[Part]
    inputs: dict[str, Any]
    """digest_inputs from before the clip was opened."""


Outcome = Record | Parts | PartScores | None
"""A clip's new record; its parts; a part's scores; None where the old record is current."""


def failure(clip: Clip, error: Exception, seconds: float) -> Record:
    """The record of a clip whose scoring raised an error."""
    sentence = str(error)
    if not isinstance(error, VmafsalError):
        sentence = f"It ended with {type(error).__name__}: {error}. This is a bug in vmafsal."
    return Record.of(clip, "failed", error=sentence, seconds=round(seconds, 3))


def whole_clip_notice(clip: Clip, reason: str) -> str:
    """The notice for a clip that could not be divided."""
    return f"{clip.job.distorted} was scored in one piece: {reason.rstrip('.')}."
