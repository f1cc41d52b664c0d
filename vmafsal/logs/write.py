"""Logs as text: libvmaf's JSON, XML, CSV and SUB, CSV without trailing commas, and JSON lines."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from pathlib import PurePath
from typing import Any, Literal
from xml.sax.saxutils import escape

from vmafsal.errors import OutputError, UsageError
from vmafsal.features.frame import FrameFeatures
from vmafsal.logs.log import Log
from vmafsal.logs.number import NumberFormat
from vmafsal.logs.parquet import format_parquet

__all__ = [
    "ENDINGS",
    "LogFormat",
    "check_names",
    "choose_format",
    "encode_log",
    "format_line",
    "format_log",
]

LogFormat = Literal["json", "xml", "csv", "sub", "tidy", "ndjson", "parquet"]
"""tidy is CSV without the comma that libvmaf puts at the end of each line."""

ENDINGS: dict[str, LogFormat] = {
    ".json": "json",
    ".xml": "xml",
    ".csv": "csv",
    ".sub": "sub",
    ".ndjson": "ndjson",
    ".jsonl": "ndjson",
    ".parquet": "parquet",
    ".pq": "parquet",
}
"""The format that each file name ending stands for."""

# What a column may be called in a format that cannot quote names.
_NAMES: dict[LogFormat, re.Pattern[str]] = {
    "xml": re.compile(r"(?!frameNum$)[^\W\d][\w.\-]*"),
    "csv": re.compile(r'[^,"\r\n]+'),
    "tidy": re.compile(r'(?!pts_time$)[^,"\r\n]+'),
    "sub": re.compile(r"[^|{}\r\n]+"),
}
_QUOTED = {'"': "&quot;", "\n": "&#10;", "\r": "&#13;", "\t": "&#9;"}


def choose_format(
    output: str | None,
    xml: bool = False,
    json: bool = False,
    csv: bool = False,
    sub: bool = False,
    tidy: bool = False,
) -> LogFormat:
    """The format to write: the one a flag names, else the one of the file name's ending.

    Args:
        output: the file's name, or None if there is none. A name without an ending means JSON.
        xml, json, csv, sub, tidy: the flags of those names. csv and tidy together mean tidy.
    Returns:
        The format.
    Raises:
        UsageError: if several flags are set, or no flag and the ending is unknown.
    """
    flags: dict[LogFormat, bool] = {
        "xml": xml,
        "json": json,
        "csv": csv and not tidy,
        "sub": sub,
        "tidy": tidy,
    }
    asked = [fmt for fmt, is_set in flags.items() if is_set]
    if len(asked) > 1:
        listed = " and ".join(f"--{fmt}" for fmt in asked)
        raise UsageError(f"A log has one format, but {listed} were given: keep one of them.")
    if asked:
        return asked[0]
    ending = PurePath(output or "").suffix.lower()
    if ending in ("", "."):
        return "json"
    if ending not in ENDINGS:
        raise UsageError(
            f"{output} has an ending that names no log format: use {', '.join(ENDINGS)}, or name "
            "the format with an option such as --json."
        )
    return ENDINGS[ending]


def check_names(names: Iterable[str], fmt: LogFormat) -> None:
    """Refuse a column name that the format cannot hold.

    Args:
        names: of the columns.
        fmt: the format to write.
    Raises:
        OutputError: for the first such name.
    """
    allowed = _NAMES.get(fmt)
    for name in names:
        if allowed is not None and not allowed.fullmatch(name):
            raise OutputError(
                f"A {fmt.upper()} log cannot hold a column named '{name}': "
                "give it another name, or write JSON."
            )


def encode_log(log: Log, fmt: LogFormat, number: NumberFormat, times: bool = False) -> bytes:
    """A log as the bytes of its file, in any format.

    Args:
        log, fmt, number, times: as format_log takes them; fmt may be "parquet" too, which holds
            every digit whatever `number` says.
    Returns:
        The whole file.
    Raises:
        OutputError: if a column has a name that the format cannot hold, or pyarrow is missing.
    """
    if fmt == "parquet":
        return format_parquet(log)
    # surrogateescape: a file name that is not UTF-8 keeps its bytes.
    return format_log(log, fmt, number, times).encode("utf-8", "surrogateescape")


def format_log(log: Log, fmt: LogFormat, number: NumberFormat, times: bool = False) -> str:
    """A log as text.

    Args:
        log: what to write.
        fmt: any format but "parquet", which is not text (see encode_log).
        number: how numbers are printed.
        times: write pts_time into JSON too. JSON lines and tidy CSV hold it wherever it is known.
    Returns:
        The whole file, closed by a newline.
    Raises:
        OutputError: if a column has a name that the format cannot hold.
    """
    check_names([*log.feature_names, *log.aggregate], fmt)
    if fmt == "json":
        return _format_json(log, number, times)
    if fmt == "xml":
        return _format_xml(log, number)
    if fmt in ("csv", "tidy"):
        return _format_csv(log, number, tidy=fmt == "tidy")
    if fmt == "sub":
        return _format_sub(log, number)
    if fmt == "ndjson":
        return "".join(format_line(frame, number) for frame in log.frames)
    raise ValueError(f"{fmt} is not a text format.")


def format_line(frame: FrameFeatures, number: NumberFormat) -> str:
    """One frame as one line of JSON, with the keys of a frame in a JSON log.

    Args:
        frame: its features.
        number: how its numbers are printed.
    Returns:
        {"frameNum": 0, "pts_time": 0.000000, "metrics": {"saliency_mean": 0.161187}} and
        a newline; without pts_time where the time is not known.
    """
    figures = ", ".join(
        f"{json.dumps(name)}: {number.format_json(value)}" for name, value in frame.metrics.items()
    )
    time = "" if frame.pts_time is None else f'"pts_time": {frame.pts_time:.6f}, '
    return f'{{"frameNum": {frame.index}, {time}"metrics": {{{figures}}}}}\n'


def _format_json(log: Log, number: NumberFormat, times: bool) -> str:
    """libvmaf's JSON; `Log.vmafsal` is one extra key, the last one."""
    fps = "null" if log.fps is None or not math.isfinite(log.fps) else f"{log.fps:.2f}"
    frames = []
    for frame in log.frames:
        time = ""
        if times and frame.pts_time is not None:
            time = f'      "pts_time": {frame.pts_time:.6f},\n'
        metrics = _json_object(frame.metrics, number, indent=6)
        frames.append(
            f'    {{\n      "frameNum": {frame.index},\n{time}      "metrics": {metrics}\n    }}'
        )
    pooled = [
        f"    {json.dumps(name)}: {_json_object(values, number, indent=4)}"
        for name, values in log.pooled().items()
    ]
    parts = [
        f'  "version": {json.dumps(log.version)}',
        f'  "fps": {fps}',
        '  "frames": [\n' + _json_lines(frames) + "  ]",
        '  "pooled_metrics": {\n' + _json_lines(pooled) + "  }",
        '  "aggregate_metrics": ' + _json_object(log.aggregate, number, indent=2),
    ]
    if log.vmafsal is not None:
        provenance = json.dumps(_finite(log.vmafsal), indent=2, allow_nan=False)
        parts.append('  "vmafsal": ' + provenance.replace("\n", "\n  "))
    return "{\n" + ",\n".join(parts) + "\n}\n"


def _json_object(values: Mapping[str, Any], number: NumberFormat, indent: int) -> str:
    """An object of numbers. An empty one takes two lines, as libvmaf prints it."""
    margin = " " * indent
    members = [
        f"{margin}  {json.dumps(name)}: {number.format_json(value)}"
        for name, value in values.items()
    ]
    return "{\n" + _json_lines(members) + margin + "}"


def _json_lines(members: list[str]) -> str:
    return ",\n".join(members) + "\n" if members else ""


def _finite(value: Any) -> Any:
    """The same value, with None for NaN and infinity, which JSON does not have."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {key: _finite(member) for key, member in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(member) for member in value]
    return value


def _format_xml(log: Log, number: NumberFormat) -> str:
    """libvmaf's XML: no declaration, one element a line."""
    fps = math.nan if log.fps is None else log.fps
    lines = [
        f"<VMAF {_xml_attribute('version', log.version)}>",
        f'  <params qualityWidth="{log.width}" qualityHeight="{log.height}" />',
        f'  <fyi fps="{fps:.2f}" />',
        "  <frames>",
    ]
    lines += [
        f'    <frame frameNum="{frame.index}" {_xml_numbers(frame.metrics, number)}/>'
        for frame in log.frames
    ]
    lines += ["  </frames>", "  <pooled_metrics>"]
    lines += [
        f"    <metric {_xml_attribute('name', name)} {_xml_numbers(values, number)}/>"
        for name, values in log.pooled().items()
    ]
    lines += [
        "  </pooled_metrics>",
        f"  <aggregate_metrics {_xml_numbers(log.aggregate, number)}/>",
        "</VMAF>",
    ]
    return "\n".join(lines) + "\n"


def _xml_attribute(name: str, text: str) -> str:
    return f'{name}="{escape(text, _QUOTED)}"'


def _xml_numbers(values: Mapping[str, Any], number: NumberFormat) -> str:
    return "".join(f'{name}="{number.format(value)}" ' for name, value in values.items())


def _format_csv(log: Log, number: NumberFormat, tidy: bool) -> str:
    """A row a frame. A frame without a value has an empty cell, so that columns never shift."""
    names = log.feature_names
    times = tidy and any(frame.pts_time is not None for frame in log.frames)
    rows = [["Frame", *(["pts_time"] if times else []), *names]]
    for frame in log.frames:
        cells = [str(frame.index)]
        if times:
            cells.append("" if frame.pts_time is None else f"{frame.pts_time:.6f}")
        cells += [
            number.format(frame.metrics[name]) if name in frame.metrics else "" for name in names
        ]
        rows.append(cells)
    # Most readers of CSV take libvmaf's last comma for one more column without a name.
    end = "\n" if tidy else ",\n"
    return end.join(",".join(cells) for cells in rows) + end


def _format_sub(log: Log, number: NumberFormat) -> str:
    """libvmaf's SUB: MicroDVD subtitles that show each frame's figures in a player."""
    lines = []
    for frame in log.frames:
        figures = "".join(
            f"{name}: {number.format(value)}|" for name, value in frame.metrics.items()
        )
        lines.append(f"{{{frame.index}}}{{{frame.index + 1}}}frame: {frame.index}|{figures}\n")
    return "".join(lines)
