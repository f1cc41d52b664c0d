"""The models in the package: registry.json, and where its files are."""

from __future__ import annotations

import json
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any

from vmafsal.errors import ModelError

__all__ = ["Entry", "Registry", "packaged_registry", "read_registry"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the registry."""

    id: str
    onnx: str
    sha256: str
    opset: int
    kind: str
    license: str
    smoke: bool
    status: str


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
        raw: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return Registry(
            folder=folder,
            default=raw["default"],
            entries=tuple(Entry(**entry) for entry in raw["models"]),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(
            f"The registry {path} cannot be read ({error}). `vmafsal models verify` says more."
        ) from error
