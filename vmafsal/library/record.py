"""The record of one clip: a line of the summary."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Literal, Self

from vmafsal import __version__
from vmafsal.library.clips import Clip

__all__ = ["Digest", "Record", "runtime_versions", "settings"]

Digest = Literal["ends", "full"]
"""How much of a video is read to tell whether it changed."""


@cache
def runtime_versions() -> dict[str, str]:
    """The versions of what computes the numbers: vmafsal, ONNX Runtime, PyAV with its FFmpeg."""
    found = {"vmafsal": __version__, "av": version("av")}
    for name in ("onnxruntime-gpu", "onnxruntime"):
        with suppress(PackageNotFoundError):
            return {**found, "onnxruntime": version(name)}
    return found


@dataclass(slots=True)
class Record:
    """The result of a clip."""

    output: str
    """Path of the log below the output folder, which identifies the clip."""
    distorted: str
    reference: str | None
    status: Literal["done", "failed"]
    frames: int = 0
    """Number of frames scored."""
    pooled: dict[str, dict[str, float | None]] = field(default_factory=dict)
    """Column to min, max, mean and harmonic_mean in full precision; None where not finite."""
    seconds: float = 0.0
    error: str | None = None
    """What went wrong, as a sentence."""
    notices: list[str] = field(default_factory=list)
    inputs: dict[str, Any] = field(default_factory=dict)
    """See digest_inputs."""
    features: dict[str, Any] = field(default_factory=dict)
    """See describe_features."""
    settings: dict[str, Any] = field(default_factory=dict)
    """See settings."""
    provider: str | None = None
    log: dict[str, Any] = field(default_factory=dict)
    """Bytes and sha256 of the log."""
    maps: dict[str, Any] = field(default_factory=dict)
    """See describe_maps; empty where none were asked for."""
    versions: dict[str, str] = field(default_factory=lambda: dict(runtime_versions()))
    """See runtime_versions."""

    @classmethod
    def of(cls, clip: Clip, status: Literal["done", "failed"], **known: Any) -> Record:
        """A record with the facts of the clip filled in."""
        return cls(
            output=clip.output,
            distorted=clip.job.distorted,
            reference=clip.job.reference,
            status=status,
            settings=settings(clip),
            **known,
        )

    @classmethod
    def from_line(cls, line: bytes) -> Self | None:
        """Read a line of a summary; None where it is torn or is not a record of this version."""
        try:
            values = json.loads(line)
        except (ValueError, RecursionError):
            return None
        if not isinstance(values, dict) or values.keys() != {field.name for field in fields(cls)}:
            return None
        record = cls(**values)
        return record if record._has_right_types() else None

    def to_line(self) -> bytes:
        """The record as a line of a summary."""
        return json.dumps(asdict(self), allow_nan=False).encode() + b"\n"

    def _has_right_types(self) -> bool:
        texts = (self.output, self.distorted, self.status, self.error or "", self.reference or "")
        tables = (self.pooled, self.inputs, self.features, self.settings, self.log, self.maps)
        return (
            all(isinstance(text, str) for text in texts)
            and all(isinstance(table, dict) for table in (*tables, self.versions))
            and all(isinstance(values, dict) for values in self.pooled.values())
            and all(isinstance(digest, dict) for digest in self.inputs.values())
            and isinstance(self.notices, list)
            and isinstance(self.frames, int)
            and isinstance(self.seconds, int | float)
        )


def settings(clip: Clip) -> dict[str, Any]:
    """The options that a log depends on, besides videos and models.

    Threads and the device are left out: what counts is the provider that ran.
    """
    return clip.job.identity() | {
        "format": clip.format,
        "precision": clip.precision,
        "times": clip.times,
    }
