"""Read a log back: libvmaf's JSON, XML, CSV and SUB since version 2, and our own --ndjson."""

from __future__ import annotations

import codecs
import csv
import io
import json
import math
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from vmafsal.errors import InputError
from vmafsal.features.frame import FrameFeatures
from vmafsal.logs.dialects import recognise
from vmafsal.logs.log import Log

__all__ = ["parse_log", "read_log"]

_AGAIN = "write it again with the tool that made it"
_SUB_LINE = re.compile(r"\{(\d+)\}\{\d+\}frame: (\d+)\|((?:[^|]*\|)*)")
_INDEX_NAMES = ("frame", "framenum")


def read_log(path: str) -> Log:
    """Read a log, whatever its file is called: what it holds decides.

    Args:
        path: of the file; "-" reads standard input.
    Returns:
        The log, its frames in ascending order; null, "nan" and "inf" become NaN and infinity.
        Facts that its format does not hold are "", None or 0. Pooled figures are not read, since
        they follow from the frames.
    Raises:
        InputError: if it cannot be read, is damaged, holds no frame, a frame twice or something
            that is no number, or is of another kind, which is then named.
    """
    name = "standard input" if path == "-" else path
    try:
        raw = sys.stdin.buffer.read() if path == "-" else Path(path).read_bytes()
    except FileNotFoundError:
        raise InputError(f"{name} does not exist: check its name.") from None
    except IsADirectoryError:
        raise InputError(f"{name} is a folder: name a log in it.") from None
    except OSError as error:
        raise InputError(f"{name} cannot be read: {error.strerror or error}.") from None
    return parse_log(_decode(raw, name), name)


def parse_log(text: str, name: str) -> Log:
    """Read a log from its text.

    Args:
        text: the whole file.
        name: what errors call it.
    Returns:
        The log, as `read_log` says.
    Raises:
        InputError: as `read_log` says.
    """
    if not text.strip():
        raise InputError(f"{name} is empty: {_AGAIN}.")
    dialect = recognise(text)
    if dialect is not None:
        raise InputError(f"{name} is {dialect.name}, which is not read: {dialect.remedy}.")
    start = text.lstrip()
    if re.match(r"\{\d+\}\{", start):
        log = _parse_sub(text, name)
    elif re.match(r'\{\s*"frameNum"', start):
        log = _parse_lines(text, name)
    elif start[0] in "{[":
        log = _parse_json(text, name)
    elif start[0] == "<":
        log = _parse_xml(text, name)
    else:
        log = _parse_csv(text, name)
    if not log.frames:
        raise InputError(f"{name} holds no frame: the run that wrote it scored nothing.")
    if not any(frame.metrics for frame in log.frames):
        raise InputError(f"{name} holds frames without a single figure: {_AGAIN}.")
    return log


def _decode(raw: bytes, name: str) -> str:
    """Text from bytes: UTF-8, or UTF-16 where a mark says so, as PowerShell's > writes it."""
    utf16 = raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = raw.decode("utf-16" if utf16 else "utf-8-sig")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        remedy = "unpack it first" if raw.startswith(b"\x1f\x8b") else "name a log of vmaf"
        raise InputError(f"{name} is no text, and so no log: {remedy}.")
    return text


def _load_json(text: str, name: str, line: int = 1) -> Any:
    """What a JSON text holds; line is where it starts in its file."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        members = dict(pairs)
        if len(members) != len(pairs):
            keys = [key for key, _ in pairs]
            twice = next(key for key in keys if keys.count(key) > 1)
            raise InputError(f"{name} holds '{twice}' twice in one place: {_AGAIN}.")
        return members

    try:
        return json.loads(text, object_pairs_hook=unique)
    except json.JSONDecodeError as error:
        cut = error.pos >= len(text.rstrip()) or error.msg.startswith("Unterminated string")
        place = f"{'cut short' if cut else 'damaged'} in line {line + error.lineno - 1}"
        raise InputError(f"{name} is {place}: {_AGAIN}.") from None
    except (RecursionError, ValueError):  # nested too deep, an integer of thousands of digits
        raise InputError(f"{name} is JSON, but no log of vmaf: name a log.") from None


def _parse_lines(text: str, name: str) -> Log:
    """What --ndjson streamed: a frame's object in each line."""
    lines = text.split("\n")
    frames = [_load_json(line, name, n) for n, line in enumerate(lines, start=1) if line.strip()]
    return Log(
        version="", fps=None, width=0, height=0, frames=_in_order(_json_frames(frames, name), name)
    )


def _parse_json(text: str, name: str) -> Log:
    content = _load_json(text, name)
    if not isinstance(content, dict) or not isinstance(content.get("frames"), list):
        raise InputError(f"{name} is JSON without a list of frames, and so no log: name a log.")
    aggregate = content.get("aggregate_metrics")
    provenance = content.get("vmafsal")
    return Log(
        version=str(content.get("version", "")),
        fps=_json_number(content.get("fps")),
        width=0,
        height=0,
        frames=_in_order(_json_frames(content["frames"], name), name),
        aggregate=_json_numbers(aggregate if isinstance(aggregate, dict) else {}, name, "the end"),
        vmafsal=provenance if isinstance(provenance, dict) else None,
    )


def _json_frames(frames: list[Any], name: str) -> Iterator[FrameFeatures]:
    for place, frame in enumerate(frames, start=1):
        index = frame.get("frameNum") if isinstance(frame, dict) else None
        metrics = frame.get("metrics") if isinstance(frame, dict) else None
        if not isinstance(index, int) or isinstance(index, bool) or not isinstance(metrics, dict):
            raise InputError(
                f"{name} is no log of libvmaf: entry {place} of its frames has no whole "
                f"frameNum with metrics; {_AGAIN}, or name another log."
            )
        yield FrameFeatures(index, _json_numbers(metrics, name, f"frame {index}"))


def _json_numbers(values: Mapping[str, Any], name: str, where: str) -> dict[str, float]:
    numbers = {}
    for key, value in values.items():
        number = math.nan if value is None else _json_number(value)
        if number is None:
            raise _no_number(name, where, key, value)
        numbers[key] = number
    return numbers


def _json_number(value: Any) -> float | None:
    """The number, or None for what is none; an integer beyond a double is infinite, as 1e999 is."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def _parse_xml(text: str, name: str) -> Log:
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        line = error.position[0]
        raise InputError(f"{name} is cut short or damaged in line {line}: {_AGAIN}.") from None
    except ValueError:
        raise InputError(f"{name} is XML of an unknown encoding, and so no log.") from None
    if root.tag != "VMAF":
        raise InputError(
            f"{name} is XML of <{root.tag}>, not of <VMAF>, and so no log: name a log."
        )
    params = root.find("params")
    fyi = root.find("fyi")
    fps = fyi.get("fps") if fyi is not None else None
    aggregate = root.find("aggregate_metrics")
    return Log(
        version=root.get("version", ""),
        fps=_number(fps, name, "<fyi>", "fps") if fps is not None else None,
        width=_size(params, "qualityWidth"),
        height=_size(params, "qualityHeight"),
        frames=_in_order(_xml_frames(root, name), name),
        aggregate={
            key: _number(value, name, "<aggregate_metrics>", key)
            for key, value in (aggregate.items() if aggregate is not None else ())
        },
    )


def _size(params: ElementTree.Element | None, key: str) -> int:
    text = params.get(key, "") if params is not None else ""
    return int(text) if text.isascii() and text.isdigit() else 0


def _xml_frames(root: ElementTree.Element, name: str) -> Iterator[FrameFeatures]:
    for frame in root.iterfind("frames/frame"):
        index = _index(frame.get("frameNum", ""), name)
        where = f"frame {index}"
        yield FrameFeatures(
            index,
            {
                key: _number(value, name, where, key)
                for key, value in frame.items()
                if key != "frameNum"
            },
        )


def _parse_csv(text: str, name: str) -> Log:
    # The command line and ffmpeg's filter close each line with a comma; other tools do not.
    rows = csv.reader(io.StringIO(text.strip(), newline=""), strict=True)
    try:
        header = [cell.strip() for cell in next(rows)]
        closed = header[-1] == ""
        names = header[1:-1] if closed else header[1:]
        if header[0].lower() not in _INDEX_NAMES or not names:
            raise InputError(
                f"{name} is no log of vmaf that is known here: JSON, XML, SUB, or CSV whose "
                "first column is Frame. Name such a log."
            )
        for column in names:
            if not column or names.count(column) > 1:
                raise InputError(
                    f"{name} has a column without a name: {_AGAIN}."
                    if not column
                    else f"{name} has two columns named '{column}': rename one of them."
                )
        frames = _in_order(_csv_frames(rows, names, closed, name), name)
    except csv.Error as error:
        raise InputError(f"{name} is damaged ({error}): {_AGAIN}.") from None
    return Log(version="", fps=None, width=0, height=0, frames=frames)


def _csv_frames(
    rows: Iterable[list[str]], names: list[str], closed: bool, name: str
) -> Iterator[FrameFeatures]:
    for cells in rows:
        if not cells:
            continue
        index = _index(cells[0].strip(), name)
        where = f"frame {index}"
        values = cells[1:]
        if closed and values and values[-1] == "":
            values.pop()
        elif closed:
            raise InputError(f"{name} is cut short or damaged in {where}: {_AGAIN}.")
        if len(values) != len(names):
            raise InputError(
                f"{name} has {len(values)} values for {len(names)} columns in {where}, so that "
                "nobody can tell which are which: write the log as JSON, or write it again."
            )
        yield FrameFeatures(
            index,
            {
                key: _number(value, name, where, key)
                for key, value in zip(names, values, strict=True)
                if value
            },
        )


def _parse_sub(text: str, name: str) -> Log:
    def frames() -> Iterator[FrameFeatures]:
        for place, line in enumerate(text.splitlines(), start=1):
            if not line.strip():
                continue
            match = _SUB_LINE.fullmatch(line.strip())
            if match is None or match[1] != match[2]:
                raise InputError(f"{name} is cut short or damaged in line {place}: {_AGAIN}.")
            index = _index(match[1], name)
            where = f"frame {index}"
            metrics: dict[str, float] = {}
            for figure in match[3].split("|")[:-1]:
                key, _, value = figure.rpartition(": ")
                if key in metrics or not key:
                    raise InputError(f"{name} is damaged in {where} at '{figure}': {_AGAIN}.")
                metrics[key] = _number(value, name, where, key)
            yield FrameFeatures(index, metrics)

    return Log(version="", fps=None, width=0, height=0, frames=_in_order(frames(), name))


def _in_order(frames: Iterable[FrameFeatures], name: str) -> list[FrameFeatures]:
    ordered = sorted(frames, key=lambda frame: frame.index)
    if ordered and ordered[0].index < 0:
        raise InputError(f"{name} holds a frame numbered {ordered[0].index}: {_AGAIN}.")
    for before, frame in pairwise(ordered):
        if before.index == frame.index:
            raise InputError(f"{name} holds frame {frame.index} more than once: keep one of each.")
    return ordered


def _index(text: str, name: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise InputError(f"{name} holds a frame numbered '{text[:40]}': {_AGAIN}.")
    return int(text)


def _number(text: str, name: str, where: str, key: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise _no_number(name, where, key, text) from None
    if "_" in text:  # Python's own spelling of 1_000
        raise _no_number(name, where, key, text)
    return value


def _no_number(name: str, where: str, key: str, value: Any) -> InputError:
    shown = json.dumps(value)[:40]
    remedy = (
        "decimal commas come from the locale, so set LC_ALL=C and score again"
        if isinstance(value, str) and re.fullmatch(r"-?\d+,\d+", value)
        else _AGAIN
    )
    return InputError(f"{name} holds {shown} for {key} in {where}, which is no number: {remedy}.")
