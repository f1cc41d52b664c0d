"""A manifest, CSV or JSON lines, as rows of options under their own names."""

from __future__ import annotations

import csv
import io
import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path, PurePath
from typing import Any

from vmafsal.errors import InputError, UsageError, VmafsalError
from vmafsal.job import OPTIONS

__all__ = ["COLUMNS", "MANIFESTS", "Row", "read_manifest"]

_OPTIONS = {row.name: row for row in OPTIONS if "manifest" in row.places}

COLUMNS = tuple(_OPTIONS)
"""What a column of a manifest may be called: options of the main command."""

_ELSEWHERE = {
    "model": "VMAF's model means nothing here; a saliency model is named in the column feature, "
    "as mobilesal=model_path=…",
    "ndjson": "Each clip gets a whole log; leave it out.",
    "quiet": "It is an option of the whole run: leave the column out and give --quiet.",
}
MANIFESTS = (".csv", ".jsonl", ".ndjson")


@dataclass(frozen=True, slots=True)
class Row:
    """The options of one clip, before they are checked together."""

    options: dict[str, Any]
    base: Path
    """The folder that paths are relative to."""
    place: str
    """Where it is named: "line 3 of clips.csv", or the path of the video."""


def read_manifest(path: str, problems: list[str]) -> list[Row]:
    """Read a manifest.

    Args:
        path: of a .csv, .jsonl or .ndjson file.
        problems: gets a sentence for each row that makes no sense.
    Returns:
        the other rows.
    Raises:
        InputError: if it cannot be read as text.
        UsageError: if its columns make no sense.
    """
    name, base = PurePath(path).name, Path(path).resolve().parent
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}.") from None
    except UnicodeDecodeError:
        raise InputError(f"{path} is not UTF-8 text: save it as UTF-8.") from None
    except ValueError:
        raise InputError(f"{path!r} is not the name of a file.") from None
    read = _csv_rows if path.lower().endswith(".csv") else _json_rows
    rows = []
    for line, values in read(text, name):
        place = f"line {line} of {name}"
        if isinstance(values, str):
            problems.append(f"{place}: {values}")
            continue
        try:
            rows.append(Row(_options(values, base), base, place))
        except VmafsalError as error:
            problems.append(f"{place}: {error}")
    return rows


def _csv_rows(text: str, name: str) -> Iterator[tuple[int, dict[str, Any] | str]]:
    """(line, cells by column, or what is wrong with them); empty cells are left out."""
    first = text.split("\n", 1)[0]
    # Spreadsheets write semicolons where the comma is the decimal mark.
    delimiter = max(",;\t", key=first.count)
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    header: list[str] = []
    try:
        for cells in rows:
            if not any(cell.strip() for cell in cells):
                continue
            if not header:
                header = _check_header(cells, name)
                continue
            if len(cells) != len(header):
                yield rows.line_num, f"it has {len(cells)} cells for {len(header)} columns."
                continue
            stripped = (cell.strip() for cell in cells)
            yield rows.line_num, {k: v for k, v in zip(header, stripped, strict=True) if v}
    except csv.Error as error:
        yield rows.line_num, f"it is not CSV ({error})."


def _check_header(cells: list[str], name: str) -> list[str]:
    header = [_column(cell) for cell in cells]
    twice = [column for column, count in Counter(header).items() if count > 1]
    if twice:
        raise UsageError(f"{name} has two columns named {twice[0]}: leave one out.")
    if "distorted" not in header:
        raise UsageError(
            f"{name} has no column named distorted, the videos to score. Its first line names the "
            "columns: distorted, and where they are needed reference, width, height, …"
        )
    return header


def _json_rows(text: str, name: str) -> Iterator[tuple[int, dict[str, Any] | str]]:
    for line, content in enumerate(text.split("\n"), start=1):
        if not content.strip():
            continue
        try:
            row = json.loads(content, object_pairs_hook=_object)
            if not isinstance(row, dict):
                yield line, "it is not a JSON object: {…} names a clip."
                continue
            columns = _object([(_column(key), value) for key, value in row.items()])
        except (ValueError, RecursionError) as error:
            yield line, f"it is not JSON ({error})."
        except UsageError as error:
            yield line, str(error)
        else:
            yield line, {name: value for name, value in columns.items() if value is not None}


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON, of whose equal keys Python would keep the last one without a word."""
    twice = [key for key, count in Counter(key for key, _ in pairs).items() if count > 1]
    if twice:
        raise UsageError(f"it names {twice[0]} twice: leave one out.")
    return dict(pairs)


def _column(text: str) -> str:
    """The option that a column is named after, in any of its spellings."""
    name = text.strip().lstrip("-").replace("-", "_").lower()
    if name in COLUMNS:
        return name
    if name in _ELSEWHERE:
        raise UsageError(f"{text.strip()!r} is no column. {_ELSEWHERE[name]}")
    near = get_close_matches(name, COLUMNS, 1)
    hint = f"Did you mean {near[0]}?" if near else f"There are {', '.join(COLUMNS)}."
    raise UsageError(f"There is no column {text.strip()!r}. {hint}")


def _options(values: Mapping[str, Any], base: Path) -> dict[str, Any]:
    """Cells as the main command takes them, with paths relative to the manifest's folder."""
    options: dict[str, Any] = {}
    for name, value in values.items():
        row = _OPTIONS[name]
        options[name] = row.parse(value)
        if (row.kind == "path" or name == "output") and not _is_file_name(options[name]):
            raise UsageError(f"{name} is not the name of a file: {value!r}.")
        if row.kind == "path" and options[name]:
            options[name] = str(base / options[name])
    if not options.get("distorted"):
        raise UsageError("distorted is empty: name the video to score.")
    if "-" in (values.get("distorted"), values.get("reference")):
        raise UsageError("A manifest cannot name standard input: name a file.")
    return options


def _is_file_name(text: str) -> bool:
    """Whether the system could have a file of that name."""
    try:
        return b"\0" not in os.fsencode(text)
    except UnicodeError:  # half of a surrogate pair, which JSON can spell
        return False
