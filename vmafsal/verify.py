"""Whether models are what they claim: schema, hashes, contract, allowlist, and a trial run."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vmafsal.errors import ModelError, VmafsalError
from vmafsal.infer.network import check_range
from vmafsal.infer.session import Session
from vmafsal.models.added import added_ids
from vmafsal.models.model import Model, load_model
from vmafsal.models.registry import Entry, packaged_registry, read_registry

__all__ = ["Check", "try_model", "verify", "verify_file", "verify_registry"]

_TRIAL_SIZES = ((64, 64), (96, 160), (216, 384))


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at."""

    subject: str
    """A model's id, or "registry"."""
    name: str
    """What was checked: "schema", "sha256", …"""
    passed: bool
    detail: str
    """What was found; where it failed, what is wrong."""


def verify(path: str | None = None) -> list[Check]:
    """Check all packaged and added models, a folder with a registry.json, or one model.

    Args:
        path: a folder, a file or a model's id; None for all packaged and added models.
    Returns:
        every check, passed or not.
    Raises:
        ModelError: if there is no such folder, file or id.
    """
    if path is None:
        checks = list(verify_registry(packaged_registry().folder))
        for model_id in added_ids():
            checks += verify_file(model_id)
        return checks
    folder = Path(path)
    if os.path.isdir(folder) and path not in (*packaged_registry().ids, *added_ids()):
        if not (folder / "registry.json").is_file():
            raise ModelError(f"The folder {path} holds no registry.json. Name an ONNX file in it.")
        return list(verify_registry(folder))
    return list(verify_file(path))


def verify_registry(folder: Path) -> Iterator[Check]:
    """Check registry.json of a folder against its schema, and every model in it.

    Args:
        folder: holds registry.json, the models, their sidecars and cards.
    Yields:
        each check as it is done.
    """
    check = _attempt("registry", "schema", lambda: _validate(folder / "registry.json", ""))
    yield check
    if not check.passed:
        return
    registry = read_registry(folder)
    ids = [entry.id for entry in registry.entries]
    yield Check(
        "registry",
        "default",
        ids.count(registry.default) == 1 and len(set(ids)) == len(ids),
        f"{registry.default} of {', '.join(ids)}",
    )
    for entry in registry.entries:
        yield from _verify_entry(folder, entry)


def verify_file(path: str) -> Iterator[Check]:
    """Check one model, by path or id.

    Args:
        path: of an ONNX file, or a registry id.
    Yields:
        each check as it is done.
    """
    model: list[Model] = []

    def load() -> str:
        model.append(load_model(path))
        return f"sha256 {model[0].digest}, operators {', '.join(model[0].operator_names)}"

    check = _attempt(Path(path).stem, "contract", load)
    yield check
    if check.passed:
        if model[0].sidecar.path is not None:
            sidecar = model[0].sidecar.path
            yield _attempt(model[0].id, "sidecar", lambda: _validate(sidecar, "sidecar"))
        yield _attempt(model[0].id, "trial run", lambda: try_model(model[0]))


def _verify_entry(folder: Path, entry: Entry) -> Iterator[Check]:
    path = folder / entry.onnx
    sidecar, card = path.with_suffix(".json"), path.with_suffix(".md")
    yield _attempt(entry.id, "sidecar", lambda: _validate(sidecar, "sidecar"))
    yield Check(entry.id, "card", card.is_file(), card.name)
    model: list[Model] = []

    def load() -> str:
        model.append(load_model(str(path)))
        loaded = model[0]
        if loaded.digest != entry.sha256:
            raise ModelError(f"its sha256 is {loaded.digest}, not {entry.sha256}")
        return loaded.digest

    check = _attempt(entry.id, "sha256 and contract", load)
    yield check
    if not check.passed:
        return
    opsets = {
        item.version for item in model[0].proto.opset_import if item.domain in ("", "ai.onnx")
    }
    yield Check(entry.id, "opset", opsets == {entry.opset}, f"{sorted(opsets)}")
    yield Check(entry.id, "sidecar id", model[0].sidecar.id == entry.id, model[0].sidecar.id)
    yield _attempt(entry.id, "trial run", lambda: try_model(model[0]))


def _attempt(subject: str, name: str, look: Callable[[], str]) -> Check:
    try:
        return Check(subject, name, True, look())
    except (VmafsalError, OSError, ValueError) as error:
        return Check(subject, name, False, str(error))


def _validate(path: Path, definition: str) -> str:
    import jsonschema

    schema: dict[str, Any] = json.loads(
        (packaged_registry().folder / "registry.schema.json").read_text(encoding="utf-8")
    )
    if definition:
        schema = {"$defs": schema["$defs"], "$ref": f"#/$defs/{definition}"}
    try:
        jsonschema.validate(json.loads(path.read_text(encoding="utf-8")), schema)
    except jsonschema.ValidationError as error:
        where = "/".join(str(step) for step in error.absolute_path) or "the whole file"
        raise ModelError(f"{path.name}, at {where}: {error.message}") from error
    return path.name


def try_model(model: Model) -> str:
    """Run a model on noise of several sizes, on the CPU.

    Args:
        model: to be tried.
    Returns:
        what was found, as a sentence.
    Raises:
        ModelError: if it fails, or a value of a map lies outside [0, 1].
    """
    session = Session(model, "cpu")
    noise = np.random.default_rng(0)
    sizes = [model.policy.size] if model.policy.size else _TRIAL_SIZES
    for size in sizes:
        height, width = (-(-side // model.stride) * model.stride for side in size)
        saliency = session.run(noise.standard_normal((1, 3, height, width), np.float32))
        check_range(float(saliency.min()), float(saliency.max()), model)
    return f"finite and in [0, 1] at {', '.join(f'{width}x{height}' for height, width in sizes)}"
