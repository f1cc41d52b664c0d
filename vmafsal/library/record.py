"""The record of one clip, and whether a log can be trusted to be what a new run would write."""

from __future__ import annotations

import hashlib
import json
import math
import os
import stat
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Literal

from vmafsal import __version__
from vmafsal.errors import InputError, VmafsalError
from vmafsal.job import Feature, Job
from vmafsal.library.manifest import Clip
from vmafsal.logs import Log
from vmafsal.logs.read import parse_log
from vmafsal.models.model import Model

__all__ = ["Digest", "Record", "describe_features", "digest_inputs", "settings", "still_holds"]

Digest = Literal["ends", "full"]
"""How much of an input is read to tell whether it changed."""

_END_BYTES = 1 << 20
_CHUNK_BYTES = 1 << 22


@dataclass(slots=True)
class Record:
    """What is known of one clip: a line of the summary."""

    output: str
    """Path of the log below the output folder; the clip goes by it."""
    distorted: str
    reference: str | None
    status: Literal["done", "failed"]
    frames: int = 0
    """Frames that were scored."""
    pooled: dict[str, dict[str, float]] = field(default_factory=dict)
    """Column to min, max, mean and harmonic_mean, in full precision."""
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
    version: str = __version__

    @classmethod
    def of(cls, clip: Clip, status: Literal["done", "failed"], **known: Any) -> Record:
        """A record with what the clip itself says filled in."""
        return cls(
            output=clip.output,
            distorted=clip.job.distorted,
            reference=clip.job.reference,
            status=status,
            settings=settings(clip),
            **known,
        )


def settings(clip: Clip) -> dict[str, Any]:
    """All of what was asked that a log depends on, besides inputs and models.

    Threads are left out: they change no number.
    """
    return clip.job.identity() | {"format": clip.format, "precision": clip.precision}


def describe_features(features: tuple[Feature, ...], models: dict[str, Model]) -> dict[str, Any]:
    """Every column's model, by its sha256, and how it sees the picture.

    Args:
        features: of a job.
        models: column name to model.
    Returns:
        column name to facts, as JSON can hold them.
    """
    described = {}
    for feature in features:
        model = models[feature.column]
        policy = model.policy.with_options(feature.color, feature.range, feature.short_side)
        described[feature.column] = {
            "model": model.id,
            "sha256": model.sha256,
            "stride": model.stride,
            "activation": model.sidecar.activation,
            "stats": feature.stats,
            **asdict(policy),
        }
    # As it comes back from a file, where a tuple is a list.
    return dict(json.loads(json.dumps(described)))


def digest_inputs(job: Job, kind: Digest) -> dict[str, Any]:
    """What tells one state of the videos from another.

    Args:
        job: names them.
        kind: "ends" reads the first and last MiB, "full" all of each file.
    Returns:
        for distorted and, where there is one, reference: size in bytes, time of the last change
        in nanoseconds, sha256 of the ends and, with "full", of the whole.
    Raises:
        InputError: if a video cannot be read or is no regular file.
    """
    paths = {"distorted": job.distorted, "reference": job.reference}
    return {role: _digest(path, kind) for role, path in paths.items() if path is not None}


def _digest(path: str, kind: Digest) -> dict[str, Any]:
    try:
        # Nobody may write to a pipe: opening it would wait for ever.
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise InputError(f"{path} is no regular file: only those can be read again.")
        with open(path, "rb") as file:
            facts = os.fstat(file.fileno())
            found: dict[str, Any] = {"size": facts.st_size, "mtime_ns": facts.st_mtime_ns}
            found["ends_sha256"] = _hash_ends(file, facts.st_size)
            if kind == "full":
                file.seek(0)
                found["sha256"] = _hash_rest(file)
            return found
    except FileNotFoundError:
        raise InputError(f"{path} does not exist.") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}.") from None


def _hash_ends(file: BinaryIO, size: int) -> str:
    digest = hashlib.sha256(file.read(_END_BYTES))
    file.seek(max(_END_BYTES, size - _END_BYTES))
    digest.update(file.read(_END_BYTES))
    return digest.hexdigest()


def _hash_rest(file: BinaryIO) -> str:
    digest = hashlib.sha256()
    while chunk := file.read(_CHUNK_BYTES):
        digest.update(chunk)
    return digest.hexdigest()


def still_holds(
    record: Record | None,
    clip: Clip,
    folder: str,
    inputs: dict[str, Any],
    features: dict[str, Any],
) -> bool:
    """Whether a clip is done: its record fits what is asked, and its log fits its record.

    Args:
        record: the clip's last one; None where there is none.
        clip: what is asked now.
        folder: where outputs go.
        inputs: digest_inputs of now.
        features: describe_features of now.
    Returns:
        False where anything differs, or the log is not there, is damaged or says something else.
    """
    return (
        record is not None
        and record.status == "done"
        and record.version == __version__
        and record.settings == settings(clip)
        and record.features == features
        and _same_inputs(record.inputs, inputs)
        and _log_agrees(record, Path(folder, clip.output))
    )


def _same_inputs(then: dict[str, Any], now: dict[str, Any]) -> bool:
    """Equal in all that was asked for now; more may be known from then."""
    return then.keys() == now.keys() and all(
        now[role].items() <= then[role].items() for role in now
    )


def _log_agrees(record: Record, path: Path) -> bool:
    try:
        raw = path.read_bytes()
        if record.log != describe_log(raw):
            return False
        log = parse_log(raw.decode("utf-8"), path.name)
    except (OSError, ValueError, VmafsalError):
        return False
    return len(log.frames) == record.frames and _same_pooled(record, log)


def describe_log(raw: bytes) -> dict[str, Any]:
    """Bytes and sha256 of a log, as a record holds them."""
    return {"bytes": len(raw), "sha256": hashlib.sha256(raw).hexdigest()}


def _same_pooled(record: Record, log: Log) -> bool:
    """Equal as far as the digits of the log go."""
    precision = record.settings["precision"] or "legacy"
    digits = int(precision) if precision.isdigit() else 6
    # Values lie in [0, 1]: each is at most half a unit of its last digit off, and a pooled value
    # at most four times that (the harmonic mean of values moves by (H + 1)² of it).
    tolerance = 4 * 0.5 * 10.0**-digits
    pooled = log.pooled()
    return list(pooled) == list(record.pooled) and all(
        math.isclose(value, record.pooled[name][key], rel_tol=0, abs_tol=tolerance)
        for name, values in pooled.items()
        for key, value in dict[str, Any](values).items()
    )
