"""The models in the package: registry.json, and where its files are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any

from vmafsal.errors import ModelError
from vmafsal.models.fields import known_keys, read_object, text, whole_number
from vmafsal.models.sidecar import is_model_id

__all__ = ["Entry", "Registry", "packaged_registry", "parse_entry", "read_registry"]


@dataclass(frozen=True, slots=True)
class Entry:
    """A model on record: what its file is, by its digest, and on what terms it may be used."""

    id: str
    onnx: str
    """Name of its file, in the folder of the record."""
    sha256: str
    opset: int
    kind: str
    license: str
    smoke: bool
    """True for a placeholder, whose numbers mean nothing."""
    status: str
    """production, superseded or smoke."""


@dataclass(frozen=True, slots=True)
class Registry:
    """registry.json of one folder."""

    folder: Path
    default: str
    entries: tuple[Entry, ...]

    def find(self, model_id: str) -> Entry:
        """The entry of a model id.

        Raises:
            ModelError: if there is none, with the nearest id.
        """
        for entry in self.entries:
            if entry.id == model_id:
                return entry
        ids = [entry.id for entry in self.entries]
        near = get_close_matches(model_id, ids, 1)
        hint = f"Did you mean {near[0]}?" if near else f"There are: {', '.join(ids)}."
        raise ModelError(f"No model is called {model_id}, and no file either. {hint}")

    def owner(self, path: Path) -> Entry | None:
        """The entry whose file this is, or None."""
        for entry in self.entries:
            if (self.folder / entry.onnx).resolve() == path.resolve():
                return entry
        return None


@cache
def packaged_registry() -> Registry:
    """The registry that ships with vmafsal.

    Raises:
        ModelError: if the installation is damaged.
    """
    package = Path(__file__).parents[1]
    # In the wheel the models lie inside the package; in a checkout beside it.
    for folder in (package / "tiny", package.parent / "model" / "tiny"):
        if (folder / "registry.json").is_file():
            return read_registry(folder)
    raise ModelError("The packaged models are missing. Install vmafsal again.")


def read_registry(folder: Path) -> Registry:
    """Read registry.json of a folder.

    Raises:
        ModelError: if it is missing or is not of the form that registry.schema.json states.
    """
    path = folder / "registry.json"
    try:
        raw = read_object(path)
        models = raw.get("models")
        if not isinstance(models, list):
            raise ValueError("models is a list of entries")
        return Registry(
            folder=folder,
            default=text(raw.get("default"), "default"),
            entries=tuple(
                parse_entry(entry, f"models[{place}]") for place, entry in enumerate(models)
            ),
        )
    except ValueError as error:
        raise ModelError(
            f"The registry {path} cannot be read ({error}). `vmafsal models verify` says more."
        ) from error


def parse_entry(raw: object, where: str) -> Entry:
    """Check one entry.

    Args:
        raw: the JSON value.
        where: its name in messages.
    Raises:
        ValueError: naming the field that is wrong.
    """
    if not isinstance(raw, Mapping):
        raise ValueError(f"{where} is an object")
    names = tuple(Entry.__dataclass_fields__)
    known_keys(raw, where, names)
    for name in names:
        if name not in raw:
            raise ValueError(f"{where} has no {name}")
    entry: dict[str, Any] = {name: raw[name] for name in names}
    for name in ("id", "onnx", "sha256", "kind", "license", "status"):
        text(entry[name], f"{where}.{name}")
    whole_number(entry["opset"], f"{where}.opset")
    if not isinstance(entry["smoke"], bool):
        raise ValueError(f"{where}.smoke is true or false")
    if not is_model_id(entry["id"]):
        raise ValueError(f"{where}.id is made of letters, digits, '_', '.' and '-', at most 64")
    if not is_model_id(entry["onnx"].removesuffix(".onnx")):
        raise ValueError(f"{where}.onnx is the name of a file in the same folder")
    return Entry(**entry)
