"""Add a model to the user's folder, and take it away again."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from vmafsal.errors import ModelError, OutputError, UsageError
from vmafsal.models.added import FOLDER_VARIABLE, RECORD, added_ids, models_folder
from vmafsal.models.fetch import fetch, take_file
from vmafsal.models.fields import read_object
from vmafsal.models.model import Model, load_model, read_network
from vmafsal.models.registry import Entry, External, packaged_registry
from vmafsal.models.sidecar import is_model_id, parse_sidecar

__all__ = ["add_external", "add_file", "remove_model"]

Trial = Callable[[Model], object]
"""Runs a model and raises ModelError where its answers are no maps."""


def add_external(
    external: External, tell: Callable[[str], None], trial: Trial, source: Path | None = None
) -> Model:
    """Add a model that the registry knows.

    Args:
        external: its entry.
        tell: called with a sentence about each step of a download.
        trial: called with the model before it is put into place.
        source: its file, where a person has it; None downloads it.
    Returns:
        the model, in its place; one that is there already stays.
    Raises:
        VmafsalError: if it cannot be had, is another file, or cannot be written.
    """
    if external.id in added_ids():
        there = load_model(external.id)
        if there.digest == external.sha256:
            return there
    with _new_folder(external.id) as folder:
        onnx = folder / f"{external.id}.onnx"
        if source is None:
            fetch(external, onnx, tell)
        else:
            take_file(external, source, onnx)
        _write_json(onnx.with_suffix(".json"), external.sidecar)
        _finish(onnx, trial, license=external.license, source=external.source)
    return load_model(external.id)


def add_file(
    path: Path, trial: Trial, sidecar: Path | None = None, model_id: str | None = None
) -> Model:
    """Add an ONNX file of anyone.

    Args:
        path: the file; its external weights lie beside it.
        trial: called with the model before it is put into place.
        sidecar: how it is to be run; None takes the one beside the file, if any.
        model_id: what it is to be called; None asks the sidecar, else the file's name.
    Returns:
        the model, in its place.
    Raises:
        VmafsalError: if it does not keep the contract, the id is taken, or it cannot be written.
    """
    if not (path.is_file() or path.is_dir()):  # of a folder, read_network says that it is one
        raise ModelError(f"The model {path} does not exist, and no known model is called so.")
    # Read where it lies, so that what is wrong with it is said of the person's own file.
    _, sha256, weights = read_network(path)
    known = next((one for one in packaged_registry().externals if one.sha256 == sha256), None)
    if known is not None and sidecar is None and model_id in (None, known.id):
        return add_external(known, lambda sentence: None, trial, path)
    raw = _read_sidecar(path, sidecar)
    chosen = model_id or (str(raw["id"]) if raw and "id" in raw else path.stem)
    if not is_model_id(chosen):
        raise UsageError(
            f"A model cannot be called {chosen!r}: an id is made of letters, digits, '_', '.' and "
            "'-', at most 64. Give one with --id."
        )
    if packaged_registry().external(chosen) is not None:
        raise ModelError(
            f"{chosen} is the id of a known model, which `vmafsal models add {chosen}` adds. Give "
            f"{path} another one with --id."
        )
    names = {f"{chosen}.onnx", f"{chosen}.json", RECORD}
    locations = [file.relative_to(path.parent) for file in weights.values()]
    for location in locations:
        if str(location) in names:
            raise ModelError(f"{path} keeps weights in {location}, a name that is needed here.")
    with _new_folder(chosen) as folder:
        onnx = folder / f"{chosen}.onnx"
        try:
            shutil.copyfile(path, onnx)
            for location in locations:
                (folder / location).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path.parent / location, folder / location)
        except OSError as error:
            raise OutputError(f"{path} cannot be copied to {folder}: {error.strerror}.") from error
        if raw is not None:
            _write_json(onnx.with_suffix(".json"), {**raw, "id": chosen})
        _finish(onnx, trial, license="not on record", source=str(path.absolute()))
    return load_model(chosen)


def remove_model(model_id: str) -> Path:
    """Take an added model away.

    Args:
        model_id: its id; a damaged one can be taken away too.
    Returns:
        the folder that it lay in.
    Raises:
        ModelError: if no added model is called so.
        OutputError: if its files cannot be deleted.
    """
    place = models_folder() / model_id
    if model_id not in added_ids():
        if any(entry.id == model_id for entry in packaged_registry().entries):
            raise ModelError(f"{model_id} is part of vmafsal and cannot be removed.")
        known = ", ".join(added_ids()) or "none"
        raise ModelError(f"No added model is called {model_id}. Added models: {known}.")
    try:
        # Renamed first: a model is there whole or not at all.
        leaving = mkdtemp(prefix=".removed-", dir=place.parent)
        os.rename(place, Path(leaving) / model_id)
        shutil.rmtree(leaving)
    except OSError as error:
        raise OutputError(f"{place} cannot be removed: {error.strerror}.") from error
    return place


@contextmanager
def _new_folder(model_id: str) -> Generator[Path]:
    """A folder to fill, which becomes the model's when all went well, and is deleted otherwise."""
    if any(entry.id == model_id for entry in packaged_registry().entries):
        raise ModelError(f"{model_id} is the id of a packaged model. Give another one with --id.")
    place = models_folder() / model_id
    if model_id in added_ids():
        # The id of a known model is its own.
        other = "" if packaged_registry().external(model_id) else ", or give another id with --id"
        raise ModelError(
            f"A model called {model_id} is there already, in {place}. Take it away with "
            f"`vmafsal models remove {model_id}`{other}."
        )
    cannot = f"{{}} cannot be written: {{}}. Name another folder in {FOLDER_VARIABLE}."
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        folder = Path(mkdtemp(prefix=".adding-", dir=place.parent))
    except OSError as error:
        raise OutputError(cannot.format(place.parent, error.strerror)) from error
    try:
        yield folder
        try:
            folder.chmod(0o755)
            os.rename(folder, place)
        except OSError as error:
            raise OutputError(cannot.format(place, error.strerror)) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _finish(onnx: Path, trial: Trial, *, license: str, source: str) -> None:
    """Check the model in its folder and write its record."""
    model = load_model(str(onnx))
    trial(model)
    opsets = (item.version for item in model.proto.opset_import if item.domain in ("", "ai.onnx"))
    entry = Entry(
        id=onnx.stem,
        onnx=onnx.name,
        sha256=model.digest,
        opset=max(opsets, default=1),
        kind="saliency",
        license=license,
        smoke=False,
        status="added",
        source=source,
        family="external",
    )
    _write_json(onnx.with_name(RECORD), asdict(entry))


def _write_json(path: Path, value: Mapping[str, Any]) -> None:
    text = json.dumps(value, indent=2, ensure_ascii=False) + "\n"
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror}.") from error


def _read_sidecar(path: Path, sidecar: Path | None) -> dict[str, Any] | None:
    """The sidecar to go with a file, checked; None where there is none."""
    place = sidecar or path.with_suffix(".json")
    if sidecar is None and not place.is_file():
        return None
    try:
        raw = read_object(place)
        parse_sidecar(raw, path.stem)
    except ValueError as error:
        raise ModelError(f"The sidecar {place} cannot be used: {error}.") from error
    return raw
