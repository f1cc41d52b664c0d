"""Logs in XML, CSV and SUB."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterable, Iterator
from xml.etree import ElementTree

from vmafsal.errors import InputError
from vmafsal.features.frame import FrameFeatures
from vmafsal.logs.figures import AGAIN, no_number, read_figure, read_index
from vmafsal.logs.log import Log
from vmafsal.logs.parse_json import UNKNOWN

__all__ = ["parse_csv", "parse_sub", "parse_xml"]

_SEPARATOR_LINE = re.compile(r'\A\s*"?sep=,"?,*[ \t]*(?:\r?\n|\Z)', re.IGNORECASE)
"""Tells Excel how cells are separated."""
_SUB_LINE = re.compile(r"\{(\d+)\}\{\d+\}frame: (\d+)\|((?:[^|]*\|)*)")
_INDEX_NAMES = ("frame", "framenum")
_COUNT_NAME = "n"
"""First column of ffmpeg-quality-metrics, which counts from 1."""
_FILE_NAMES = ("input_file_dist", "input_file_ref")
"""Columns of ffmpeg-quality-metrics that hold no figures."""


def parse_xml(text: str, name: str) -> Log:
    """Read libvmaf's XML.

    Args:
        text: the whole file.
        name: what errors call it.
    Returns:
        The log, its frames as they stand in the file.
    Raises:
        InputError: if it is damaged or no log.
    """
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        line = error.position[0]
        raise InputError(f"{name} is cut short or damaged in line {line}: {AGAIN}.") from None
    except ValueError:
        raise InputError(f"{name} is XML of an unknown encoding, and so no log.") from None
    if root.tag != "VMAF":
        raise InputError(f"{name} {UNKNOWN}: its XML begins with <{root.tag}>, not with <VMAF>.")
    params = root.find("params")
    fyi = root.find("fyi")
    fps = fyi.get("fps") if fyi is not None else None
    aggregate = root.find("aggregate_metrics")
    return Log(
        version=root.get("version", ""),
        fps=_figure(fps, name, "<fyi>", "fps") if fps is not None else None,
        width=_size(params, "qualityWidth"),
        height=_size(params, "qualityHeight"),
        frames=list(_xml_frames(root, name)),
        aggregate={
            key: _figure(value, name, "<aggregate_metrics>", key)
            for key, value in (aggregate.items() if aggregate is not None else ())
        },
    )


def _size(params: ElementTree.Element | None, key: str) -> int:
    text = params.get(key, "") if params is not None else ""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0


def _xml_frames(root: ElementTree.Element, name: str) -> Iterator[FrameFeatures]:
    for frame in root.iterfind("frames/frame"):
        index = read_index(frame.get("frameNum", ""), name)
        where = f"frame {index}"
        yield FrameFeatures(
            index,
            {
                key: _figure(value, name, where, key)
                for key, value in frame.items()
                if key != "frameNum"
            },
        )


def parse_csv(text: str, name: str) -> Log:
    """Read a table of frames: libvmaf's CSV, our tidy CSV, or that of ffmpeg-quality-metrics.

    Args:
        text: the whole file. A first line "sep=," and empty rows, which spreadsheets write, are
            skipped.
        name: what errors call it.
    Returns:
        The log, its frames as they stand in the file. Empty cells are no value.
    Raises:
        InputError: if it is damaged, its rows differ in length, or it is no log.
    """
    rows = csv.reader(io.StringIO(_SEPARATOR_LINE.sub("", text).strip(), newline=""), strict=True)
    try:
        header = next((row for row in rows if any(map(str.strip, row))), [""])
        header = [cell.strip() for cell in header]
        # The vmaf command line and ffmpeg's filter end each line with a comma; others do not.
        closed = len(header) > 1 and header[-1] == ""
        names = header[1:-1] if closed else header[1:]
        counts = header[0].lower() == _COUNT_NAME
        if not (counts or header[0].lower() in _INDEX_NAMES) or not names:
            raise InputError(f"{name} {UNKNOWN}.")
        for column in names:
            if not column:
                raise InputError(f"{name} has a column without a name: {AGAIN}.")
            if names.count(column) > 1:
                raise InputError(f"{name} has two columns named '{column}': rename one of them.")
        frames = list(_csv_frames(rows, names, closed, counts, name))
    except csv.Error as error:
        raise InputError(f"{name} is damaged ({error}): {AGAIN}.") from None
    version = "ffmpeg-quality-metrics" if counts else ""
    return Log(version=version, fps=None, width=0, height=0, frames=frames)


def _csv_frames(
    rows: Iterable[list[str]], names: list[str], closed: bool, counts: bool, name: str
) -> Iterator[FrameFeatures]:
    for row in rows:
        cells = [cell.strip() for cell in row]
        if not any(cells):
            continue
        index = read_index(cells[0], name) - counts
        if index < 0:
            raise InputError(f"{name} holds n 0, but its column n counts from 1: {AGAIN}.")
        where = f"frame {index}"
        values = cells[1:]
        if closed and values and values[-1] == "":
            values.pop()
        elif closed:
            raise InputError(f"{name} is cut short or damaged in {where}: {AGAIN}.")
        if len(values) != len(names):
            raise InputError(
                f"{name} has {len(values)} values for {len(names)} columns in {where}, so that it "
                "is not clear which are missing: write the log as JSON, or write it again."
            )
        figures = {
            key: _figure(value, name, where, key)
            for key, value in zip(names, values, strict=True)
            if value and key not in _FILE_NAMES
        }
        time = figures.pop("pts_time", math.nan)
        yield FrameFeatures(index, figures, pts_time=time if math.isfinite(time) else None)


def parse_sub(text: str, name: str) -> Log:
    """Read libvmaf's SUB.

    Args:
        text: the whole file.
        name: what errors call it.
    Returns:
        The log, its frames as they stand in the file.
    Raises:
        InputError: if it is damaged or no log.
    """
    frames = []
    for place, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        match = _SUB_LINE.fullmatch(line.strip())
        if match is None or match[1] != match[2]:
            raise InputError(f"{name} is cut short or damaged in line {place}: {AGAIN}.")
        index = read_index(match[1], name)
        where = f"frame {index}"
        metrics: dict[str, float] = {}
        for figure in match[3].split("|")[:-1]:
            key, _, value = figure.rpartition(": ")
            if key in metrics or not key:
                raise InputError(f"{name} is damaged in {where} at '{figure}': {AGAIN}.")
            metrics[key] = _figure(value, name, where, key)
        frames.append(FrameFeatures(index, metrics))
    return Log(version="", fps=None, width=0, height=0, frames=frames)


def _figure(text: str, name: str, where: str, key: str) -> float:
    value = read_figure(text)
    if value is None:
        raise no_number(name, where, key, text)
    return value
