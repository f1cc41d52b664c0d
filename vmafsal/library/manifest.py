"""Which clips to score: a manifest's rows, or what a pattern matches, each as a checked Job."""

from __future__ import annotations

import csv
import glob
import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path, PurePath
from typing import Any

from vmafsal.errors import InputError, UsageError, VmafsalError
from vmafsal.job import FORMATS, OPTIONS, Feature, Job, build_job
from vmafsal.logs import LogFormat, choose_format, parse_precision

__all__ = ["COLUMNS", "SUMMARIES", "Clip", "read_clips"]

_ROWS = {row.name: row for row in OPTIONS if "manifest" in row.places}

COLUMNS = tuple(_ROWS)
"""What a column of a manifest may be called: options of the main command."""

SUMMARIES = "summary*.jsonl"
"""The summaries of an output folder; no log may be called so."""

_ELSEWHERE = {
    "model": "VMAF's model means nothing here; a saliency model is named in the column feature, "
    "as mobilesal=model_path=…",
    "ndjson": "Each clip gets a whole log; leave it out.",
    "quiet": "It is an option of the whole run: leave the column out and give --quiet.",
}
_MANIFESTS = (".csv", ".jsonl", ".ndjson")
_SHOWN = 10
"""Bad rows that one message names; beyond that their number says enough."""


@dataclass(frozen=True, slots=True)
class Clip:
    """One video to score, and where its log goes."""

    job: Job
    output: str
    """Path of the log below the output folder, with forward slashes."""
    format: LogFormat
    precision: str | None
    """As --precision."""
    place: str
    """Where it was named: "line 3 of clips.csv", or its own path."""


@dataclass(frozen=True, slots=True)
class _Row:
    """What one row or one match says, before it is a Clip."""

    options: dict[str, Any]
    base: Path
    """Outputs that are not named keep their folders below this one."""
    place: str


def read_clips(
    inputs: Sequence[str], output_dir: str, defaults: Mapping[str, Any] | None = None
) -> list[Clip]:
    """Every clip that the command line names, checked, before anything runs.

    Args:
        inputs: one manifest (.csv, .jsonl), or videos and patterns such as "videos/**/*.mp4".
        output_dir: where logs go; what lies in it is never taken for a video.
        defaults: options for every clip that does not say otherwise, by their names in COLUMNS.
    Returns:
        the clips in the order of the rows or of their names, each with an output of its own.
    Raises:
        InputError: if a manifest cannot be read, or a pattern matches nothing.
        UsageError: naming every row that makes no sense, with its line.
    """
    manifests = [name for name in inputs if PurePath(name).suffix.lower() in _MANIFESTS]
    if manifests and len(inputs) > 1:
        raise UsageError(f"{manifests[0]} is a manifest, which stands alone: run one at a time.")
    problems: list[str] = []
    if manifests:
        rows = _read_manifest(manifests[0], problems)
    else:
        rows = [row for name in inputs for row in _match(name, output_dir)]
    ending = choose_ending(defaults or {})
    outputs = _name_outputs(rows, ending, problems)
    clips = []
    for row, output in zip(rows, outputs, strict=True):
        if output is None:
            continue
        try:
            clips.append(_clip(row, output, defaults or {}))
        except VmafsalError as error:
            problems.append(f"{row.place}: {error}")
    problems += _clashes(clips)
    if problems:
        more = len(problems) - _SHOWN
        listed = problems[:_SHOWN] + ([f"and {more:,} more."] if more > 0 else [])
        raise UsageError("Nothing was run.\n  " + "\n  ".join(listed))
    if not clips:
        raise InputError(f"{inputs[0]} names no clip.")
    return clips


def choose_ending(options: Mapping[str, Any]) -> str:
    """The ending of a log that is not named: that of the format asked for, else .json."""
    fmt = choose_format(None, **{flag: bool(options.get(flag)) for flag in FORMATS})
    return ".csv" if fmt == "tidy" else f".{fmt}"


def _read_manifest(path: str, problems: list[str]) -> list[_Row]:
    name, base = PurePath(path).name, Path(path).resolve().parent
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}.") from None
    except UnicodeDecodeError:
        raise InputError(f"{path} is no text in UTF-8: save it as such.") from None
    read = _csv_rows if path.lower().endswith(".csv") else _json_rows
    rows = []
    for line, values in read(text, name):
        place = f"line {line} of {name}"
        if isinstance(values, str):
            problems.append(f"{place}: {values}")
            continue
        try:
            rows.append(_Row(_options(values, base), base, place))
        except VmafsalError as error:
            problems.append(f"{place}: {error}")
    return rows


def _csv_rows(text: str, name: str) -> Iterator[tuple[int, dict[str, Any] | str]]:
    """(line, cells by column, or what is wrong with them); empty cells are left out."""
    first = text.split("\n", 1)[0]
    # Spreadsheets of half the world write semicolons.
    delimiter = max(",;\t", key=first.count)
    rows = csv.reader(text.splitlines(keepends=True), delimiter=delimiter, strict=True)
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
        yield rows.line_num, f"it is no CSV ({error})."


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
            row = json.loads(content)
        except ValueError as error:
            yield line, f"it is no JSON ({error})."
            continue
        if not isinstance(row, dict):
            yield line, "it is no JSON object: {…} names a clip."
            continue
        try:
            yield line, {_column(key): value for key, value in row.items() if value is not None}
        except UsageError as error:
            yield line, str(error)


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
    """Cells as the main command takes them; paths from the manifest's folder."""
    options: dict[str, Any] = {}
    for name, value in values.items():
        row = _ROWS[name]
        options[name] = row.parse(value)
        if row.kind == "path" and value:
            options[name] = str(base / options[name])
    if not options.get("distorted"):
        raise UsageError("distorted is empty: name the video to score.")
    if "-" in (values.get("distorted"), values.get("reference")):
        raise UsageError("Standard input is no clip of a manifest: name a file.")
    return options


def _match(pattern: str, output_dir: str) -> list[_Row]:
    """The videos that a name or a pattern stands for."""
    if os.path.isfile(pattern):  # a file may be called clip[1].mp4
        return [_Row({"distorted": pattern}, Path(pattern).parent, pattern)]
    if not glob.has_magic(pattern):
        reason = "is a folder: name its videos" if os.path.isdir(pattern) else "does not exist: try"
        raise InputError(f"{pattern} {reason} '{os.path.join(pattern, '**', '*.mp4')}', quoted.")
    parts = PurePath(pattern).parts
    fixed = next(place for place, part in enumerate(parts) if glob.has_magic(part))
    base = Path(*parts[:fixed])
    logs = Path(output_dir).resolve()
    found = [
        name
        for name in sorted(glob.glob(pattern, recursive=True))
        if os.path.isfile(name) and not Path(name).resolve().is_relative_to(logs)
    ]
    if not found:
        raise InputError(f"{pattern} matches no file: check it, and quote it.")
    return [_Row({"distorted": name}, base, name) for name in found]


def _name_outputs(rows: Iterable[_Row], ending: str, problems: list[str]) -> list[str | None]:
    """Each row's output: as it says, else after its video; None where it is refused."""
    outputs: list[str | None] = []
    stems: list[PurePath | None] = []
    for row in rows:
        given = row.options.get("output")
        if given:
            outputs.append(_inside(given, row.place, problems))
            stems.append(None)
            continue
        video = Path(row.options["distorted"])
        inside = video.is_relative_to(row.base) and ".." not in video.relative_to(row.base).parts
        outputs.append(None)
        stems.append(video.relative_to(row.base) if inside else PurePath(video.name))
    # a.mp4 and a.mkv cannot both be a.json; with their endings they can.
    shared = Counter(stem.with_suffix("") for stem in stems if stem is not None)
    for place, (row, stem) in enumerate(zip(rows, stems, strict=True)):
        if stem is None:
            continue
        named = any(row.options.get(flag) for flag in FORMATS)
        try:
            own = choose_ending(row.options) if named else ending
        except VmafsalError as error:
            problems.append(f"{row.place}: {error}")
            continue
        name = stem if shared[stem.with_suffix("")] > 1 else stem.with_suffix("")
        outputs[place] = name.as_posix() + own
    return outputs


def _inside(output: str, place: str, problems: list[str]) -> str | None:
    path = PurePath(os.path.normpath(output))
    if path.match(SUMMARIES):
        problems.append(f"{place}: {output!r} is the name of the summary: choose another output.")
        return None
    if path.is_absolute() or ".." in path.parts or path.name in ("", "."):
        problems.append(
            f"{place}: the output {output!r} is outside the output folder, where all logs go: "
            "name it relative to --output-dir."
        )
        return None
    return path.as_posix()


def _clip(row: _Row, output: str, defaults: Mapping[str, Any]) -> Clip:
    options = {key: value for key, value in row.options.items() if key != "output"}
    flags = tuple(FORMATS) if any(flag in options for flag in FORMATS) else ()
    merged = {key: value for key, value in defaults.items() if key not in flags} | options
    format_flags = {flag: bool(merged.pop(flag, False)) for flag in FORMATS}
    precision = merged.pop("precision", None)
    parse_precision(precision)
    job = build_job(**merged)
    if "feature" in options or "feature_params" in options:
        features = tuple(_from_folder(feature, row.base) for feature in job.features)
        job = replace(job, features=features)
    fmt = choose_format(output, **format_flags)
    return Clip(job=job, output=output, format=fmt, precision=precision, place=row.place)


def _from_folder(feature: Feature, base: Path) -> Feature:
    """A model's path counts from the manifest's folder too; an id stays as it is."""
    path = base / Path(feature.model_path or "").expanduser()
    return (
        replace(feature, model_path=str(path)) if feature.model_path and path.is_file() else feature
    )


def _clashes(clips: Iterable[Clip]) -> list[str]:
    """What is wrong with the outputs as a whole."""
    first: dict[str, Clip] = {}
    problems = []
    for clip in clips:
        other = first.setdefault(clip.output, clip)
        if other is not clip:
            problems.append(
                f"{clip.place}: its log would be {clip.output}, as that of {other.place}. Give "
                "each clip its own in a column named output."
            )
    for output, clip in first.items():
        inner = next((str(p) for p in PurePath(output).parents if str(p) in first), None)
        if inner is not None:
            problems.append(f"{clip.place}: {output} needs a folder where {inner} is a log.")
    return problems
