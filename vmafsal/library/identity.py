"""Whether a clip is done: all that its numbers depend on, compared with its record.

A clip is scored again where any of these changed: the contents of its videos, its models with
their external weights and what their sidecars say of the input and the output, the options that
change a number, the execution provider, or the versions of what computes the numbers. Names,
paths, times of files and the number of threads change no number and do not count.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO

from vmafsal.errors import InputError
from vmafsal.job import Feature, Job, parse_device
from vmafsal.library.clips import Clip
from vmafsal.library.maps import ClipMaps
from vmafsal.library.record import Digest, Record, runtime_versions, settings
from vmafsal.models.model import Model

__all__ = ["describe_features", "describe_log", "describe_maps", "digest_inputs", "is_current"]

_END_BYTES = 1 << 20


def describe_features(features: tuple[Feature, ...], models: dict[str, Model]) -> dict[str, Any]:
    """The model of every column, and how it is run.

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
        # Whatever else a feature may be asked for.
        options = asdict(feature)
        for resolved in ("model_path", "color", "range", "short_side", "name"):
            del options[resolved]
        described[feature.column] = {
            "model": model.id,
            "sha256": model.sha256,
            "digest": model.digest,
            "stride": model.stride,
            "input_name": model.sidecar.input_name,
            "output_name": model.sidecar.output_name,
            "activation": model.sidecar.activation,
            **asdict(policy),
            **options,
        }
    # As it comes back from a file, where a tuple is a list.
    return dict(json.loads(json.dumps(described)))


def digest_inputs(job: Job, kind: Digest) -> dict[str, Any]:
    """What tells one state of the videos, and of the files that --post names, from another.

    Args:
        job: names them.
        kind: "ends" reads the first and last MiB, "full" all of each file.
    Returns:
        for distorted and, where there is one, reference, and each other file: size in bytes, time
        of the last change in nanoseconds, sha256 of the ends and, with "full", of the whole.
    Raises:
        InputError: if a file cannot be read or is not a regular one.
    """
    return {role: _digest(path, kind) for role, path in _inputs(job).items()}


def is_current(
    record: Record | None,
    clip: Clip,
    folder: str,
    inputs: dict[str, Any],
    features: dict[str, Any],
    auto_provider: Callable[[], str],
) -> bool:
    """Whether a clip is done: its record fits the request, and its log and maps fit its record.

    Args:
        record: the clip's last one; None where there is none.
        clip: the request.
        folder: the output folder.
        inputs: digest_inputs of now.
        features: describe_features of now.
        auto_provider: gives the execution provider that --device auto takes; called last.
    Returns:
        False where anything differs, or the log or maps that are asked for are missing or changed.
    Raises:
        VmafsalError: as auto_provider does.
    """
    return (
        record is not None
        and record.status == "done"
        and record.versions == runtime_versions()
        and record.settings == settings(clip)
        and _without_ids(record.features) == _without_ids(features)
        and _same_log(record, Path(folder, clip.output))
        and _same_maps(record, clip.maps, folder)
        and _same_inputs(record.inputs, inputs, _inputs(clip.job))
        and _same_provider(record.provider, clip.job.device, auto_provider)
    )


def describe_log(raw: bytes) -> dict[str, Any]:
    """Size in bytes and sha256 of a log."""
    return {"bytes": len(raw), "sha256": hashlib.sha256(raw).hexdigest()}


def describe_maps(maps: ClipMaps, folder: str) -> dict[str, Any]:
    """What tells one state of a clip's maps from another, which may be many gigabytes.

    Args:
        maps: written.
        folder: the output folder.
    Returns:
        kind and view; size in bytes and sha256 of the first and last MiB of a file; of a folder,
        the number of its files, and the sha256 of their names and sizes.
    Raises:
        OSError: if they cannot be read.
    """
    facts: dict[str, Any] = {"kind": maps.kind, "view": maps.view}
    path = Path(folder, maps.path)
    if maps.is_folder:
        with os.scandir(path) as entries:
            listed = sorted((entry.name, entry.stat().st_size) for entry in entries)
        sizes = json.dumps(listed).encode()
        return facts | {"files": len(listed), "sha256": hashlib.sha256(sizes).hexdigest()}
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        return facts | {"size": size, "ends_sha256": _hash_ends(file, size)}


def _inputs(job: Job) -> dict[str, str]:
    """What is read besides models, by its role."""
    paths = {"distorted": job.distorted, "reference": job.reference}
    paths |= {f"post {place}": path for place, path in enumerate(job.post_files)}
    return {role: path for role, path in paths.items() if path is not None}


def _digest(path: str, kind: Digest) -> dict[str, Any]:
    try:
        # Opening a pipe would block until somebody writes to it.
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise InputError(f"{path} is not a regular file: only those can be read again.")
        with open(path, "rb") as file:
            facts = os.fstat(file.fileno())
            found: dict[str, Any] = {"size": facts.st_size, "mtime_ns": facts.st_mtime_ns}
            found["ends_sha256"] = _hash_ends(file, facts.st_size)
            if kind == "full":
                file.seek(0)
                found["sha256"] = hashlib.file_digest(file, "sha256").hexdigest()
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


def _same_inputs(then: dict[str, Any], now: dict[str, Any], paths: dict[str, str]) -> bool:
    return then.keys() == now.keys() and all(
        _same_file(then[role], now[role], path) for role, path in paths.items()
    )


def _same_file(then: dict[str, Any], now: dict[str, Any], path: str) -> bool:
    """Whether a file's contents are those of then, as far as the two digests tell."""
    if any(then.get(key) != now[key] for key in ("size", "ends_sha256")):
        return False
    if "sha256" in now:
        return bool(then.get("sha256") == now["sha256"])
    if then.get("mtime_ns") == now["mtime_ns"]:
        return True
    # The file was touched: its ends do not tell whether its middle changed.
    return "sha256" in then and bool(then["sha256"] == _digest(path, "full")["sha256"])


def _same_log(record: Record, path: Path) -> bool:
    try:
        return record.log == describe_log(path.read_bytes())
    except OSError:
        return False


def _same_maps(record: Record, maps: ClipMaps | None, folder: str) -> bool:
    try:
        return maps is None or record.maps == describe_maps(maps, folder)
    except OSError:
        return False


def _same_provider(then: str | None, device: str, auto_provider: Callable[[], str]) -> bool:
    if then is None:
        return False
    kind, _ = parse_device(device)
    if kind == "auto":
        return then == auto_provider()
    # A named device is never replaced by another: CUDAExecutionProvider goes with cuda.
    return then.removesuffix("ExecutionProvider").lower() == kind


def _without_ids(features: dict[str, Any]) -> dict[str, Any]:
    """Features less the names of their models, which change no number."""
    return {
        column: {key: value for key, value in facts.items() if key != "model"}
        for column, facts in features.items()
        if isinstance(facts, dict)
    }
