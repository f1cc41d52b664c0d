"""JSON that people write: read it, and take typed fields out of it.

Every function raises ValueError with the name of the field, so that the caller can say in which
file it stands.
"""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

__all__ = [
    "known_keys",
    "number",
    "object_field",
    "read_object",
    "strings",
    "text",
    "whole_number",
]


def read_object(path: Path) -> dict[str, Any]:
    """Read a file that holds one JSON object.

    Args:
        path: of the file, UTF-8.
    Raises:
        ValueError: if it cannot be read, is no JSON, or holds something else than an object.
    """
    try:
        value = json.loads(path.read_bytes().decode("utf-8-sig"))
    except OSError as error:
        raise ValueError(error.strerror or str(error)) from error
    except RecursionError:
        raise ValueError("its brackets are nested too deeply") from None
    if not isinstance(value, dict):
        raise ValueError("it holds no JSON object")
    return value


def known_keys(given: Mapping[str, Any], where: str, names: Collection[str]) -> None:
    """Refuse keys that mean nothing: most are misspelt.

    Args:
        given: the object.
        where: its name; "" for the whole file.
        names: the keys that it may have.
    """
    for name in given:
        if name not in names:
            key = f"{where}.{name}" if where else name
            raise ValueError(f"{key} is unknown; {where or 'it'} takes {', '.join(names)}")


def object_field(raw: Mapping[str, Any], key: str) -> dict[str, Any]:
    """An object inside an object; an empty one where there is none."""
    value = raw.get(key, {})
    if not isinstance(value, dict):
        raise ValueError(f"{key} is an object, not {_shown(value)}")
    return value


def text(value: object, name: str) -> str:
    """A string that can be printed."""
    if not isinstance(value, str):
        raise ValueError(f"{name} is a text, not {_shown(value)}")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueError(f"{name} holds half a character") from None
    return value


def strings(value: object, name: str) -> tuple[str, ...]:
    """A list of strings."""
    if not isinstance(value, list):
        raise ValueError(f"{name} is a list of texts, not {_shown(value)}")
    return tuple(text(item, f"{name}[{place}]") for place, item in enumerate(value))


def whole_number(value: object, name: str, least: int = 1, most: int = 2**31 - 1) -> int:
    """A whole number within bounds."""
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise ValueError(f"{name} is a whole number from {least} to {most}, not {_shown(value)}")
    return value


def number(value: object, name: str) -> float:
    """A finite number."""
    try:
        if isinstance(value, int | float) and not isinstance(value, bool):
            converted = float(value)
            if math.isfinite(converted):
                return converted
    except OverflowError:
        pass
    raise ValueError(f"{name} is a number, not {_shown(value)}")


def _shown(value: object) -> str:
    """A value as JSON, short enough for a sentence."""
    shown = json.dumps(value)
    return shown if len(shown) <= 40 else f"{shown[:37]}..."
