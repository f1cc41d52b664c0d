"""registry.json: the models in the package, and those that may be added to it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any

from vmafsal.errors import ModelError
from vmafsal.models.fields import known_keys, object_field, read_object, text, whole_number
from vmafsal.models.sidecar import is_model_id, parse_sidecar

__all__ = [
    "FAMILIES",
    "REGISTRY",
    "Entry",
    "External",
    "Registry",
    "packaged_registry",
    "parse_entry",
    "read_registry",
]

REGISTRY = "registry.json"

FAMILIES = {
    "salient-object": "marks the objects that stand out",
    "gaze": "predicts where people look, learnt from eye fixations",
    "distilled": "answers as a saliency model of the literature, learnt from its maps",
    "external": "made elsewhere and added by a person",
    "placeholder": "has learnt nothing",
}
"""What a model's map stands for, in the order of lists."""


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
    """production, superseded or smoke; added for one that a person added."""
    source: str = ""
    """Where its weights come from; "" for the project's own."""
    family: str = "salient-object"
    """One of FAMILIES."""


@dataclass(frozen=True, slots=True)
class External:
    """A third party's model that is not in the package: what it is and where it can be had."""

    id: str
    sha256: str
    """Of the ONNX file."""
    bytes: int
    """Its length."""
    license: str
    source: str
    """The project that trained it."""
    url: str
    """Where the file lies."""
    wheel: str
    """A package on the Python package index that holds the same file, as pip takes it."""
    member: str
    """The file's name inside that package."""
    sidecar: Mapping[str, Any]
    """How it is to be run."""


@dataclass(frozen=True, slots=True)
class Registry:
    """registry.json of one folder."""

    folder: Path
    default: str
    entries: tuple[Entry, ...]
    externals: tuple[External, ...] = ()

    def external(self, model_id: str) -> External | None:
        """The external model of an id, or None."""
        return next((known for known in self.externals if known.id == model_id), None)

    @property
    def ids(self) -> list[str]:
        """The ids of its models."""
        return [entry.id for entry in self.entries]

    def find(self, model_id: str, others: Iterable[str] = ()) -> Entry:
        """The entry of a model id.

        Args:
            model_id: to look for.
            others: more ids that may have been meant.
        Raises:
            ModelError: if there is none, with the nearest id.
        """
        for entry in self.entries:
            if entry.id == model_id:
                return entry
        ids = [*self.ids, *others]
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
        if (folder / REGISTRY).is_file():
            return read_registry(folder)
    raise ModelError("The packaged models are missing. Install vmafsal again.")


def read_registry(folder: Path) -> Registry:
    """Read registry.json of a folder.

    Raises:
        ModelError: if it is missing or is not of the form that registry.schema.json states.
    """
    path = folder / REGISTRY
    try:
        raw = read_object(path)
        models, externals = raw.get("models"), raw.get("external", [])
        if not isinstance(models, list) or not isinstance(externals, list):
            raise ValueError("models and external are lists of entries")
        return Registry(
            folder=folder,
            default=text(raw.get("default"), "default"),
            entries=tuple(
                parse_entry(entry, f"models[{place}]") for place, entry in enumerate(models)
            ),
            externals=tuple(
                _parse_external(entry, f"external[{place}]")
                for place, entry in enumerate(externals)
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
    entry = _fields(raw, where, Entry, optional=("source", "family"))
    for name in ("kind", "status"):
        text(entry[name], f"{where}.{name}")
    whole_number(entry["opset"], f"{where}.opset")
    if not isinstance(entry["smoke"], bool):
        raise ValueError(f"{where}.smoke is true or false")
    onnx = text(entry["onnx"], f"{where}.onnx")
    if not is_model_id(onnx.removesuffix(".onnx")):
        raise ValueError(f"{where}.onnx is the name of a file in the same folder")
    # Records that are older than the field have none.
    default = "external" if entry["status"] == "added" else "salient-object"
    if text(entry.setdefault("family", default), f"{where}.family") not in FAMILIES:
        raise ValueError(f"{where}.family is one of {', '.join(FAMILIES)}")
    return Entry(**entry)


def _parse_external(raw: object, where: str) -> External:
    external = _fields(raw, where, External)
    for name in ("url", "wheel", "member"):
        text(external[name], f"{where}.{name}")
    whole_number(external["bytes"], f"{where}.bytes")
    parse_sidecar(object_field(external, "sidecar"), external["id"])
    return External(**external)


def _fields(
    raw: object, where: str, kind: type[Any], optional: tuple[str, ...] = ()
) -> dict[str, Any]:
    """The fields of an entry, of which those that both kinds have are checked."""
    if not isinstance(raw, Mapping):
        raise ValueError(f"{where} is an object")
    names = tuple(kind.__dataclass_fields__)
    known_keys(raw, where, names)
    for name in names:
        if name not in raw and name not in optional:
            raise ValueError(f"{where} has no {name}")
    for name in ("id", "sha256", "license", "source"):
        text(raw.get(name, ""), f"{where}.{name}")
    if not is_model_id(raw["id"]):
        raise ValueError(f"{where}.id is made of letters, digits, '_', '.' and '-', at most 64")
    return dict(raw)
