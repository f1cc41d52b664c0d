"""The models that a person added: a folder of the user's own, one folder in it for each model.

`<folder>/<id>/` holds `<id>.onnx`, its external weights, its sidecar `<id>.json` where it has one,
and `added.json`: an entry as in registry.json. A model's folder is renamed into place when it is
whole.
"""

from __future__ import annotations

import os
from pathlib import Path

from vmafsal.errors import ModelError
from vmafsal.models.fields import read_object
from vmafsal.models.registry import Entry, parse_entry
from vmafsal.models.sidecar import is_model_id

__all__ = ["FOLDER_VARIABLE", "RECORD", "added_entry", "added_ids", "models_folder", "owner"]

FOLDER_VARIABLE = "VMAFSAL_MODELS"
"""The environment variable that names the folder of added models."""

RECORD = "added.json"


def models_folder() -> Path:
    """Where added models lie: VMAFSAL_MODELS, else `models` in the user's data folder."""
    named = os.environ.get(FOLDER_VARIABLE)
    if named:
        return Path(os.path.expanduser(named)).absolute()
    from platformdirs import user_data_path

    return user_data_path("vmafsal", appauthor=False) / "models"


def added_ids() -> list[str]:
    """The ids of the added models, sorted; those of damaged ones too."""
    try:
        return sorted(
            place.name
            for place in models_folder().iterdir()
            if is_model_id(place.name) and place.is_dir()
        )
    except OSError:
        return []


def added_entry(model_id: str) -> Entry | None:
    """What is on record about an added model; None where none is called so.

    Raises:
        ModelError: if its record is missing or damaged.
    """
    place = models_folder() / model_id
    if not is_model_id(model_id) or not place.is_dir():
        return None
    try:
        entry = parse_entry(read_object(place / RECORD), "it")
        if entry.id != model_id:
            raise ValueError(f"it is the record of {entry.id}")
    except ValueError as error:
        raise ModelError(
            f"The record {place / RECORD} of an added model cannot be read ({error}). Take the "
            f"model away with `vmafsal models remove {model_id}`, and add it again."
        ) from error
    return entry


def owner(path: Path) -> Entry | None:
    """The entry of the added model whose file this is, or None."""
    place = path.absolute().parent
    if place.parent.resolve() != models_folder().resolve():
        return None
    entry = added_entry(place.name)
    return entry if entry is not None and path.name == entry.onnx else None
