"""Logs in JSON: libvmaf's, our JSON lines, and those of ffmpeg-quality-metrics."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from vmafsal.errors import InputError
from vmafsal.features.frame import FrameFeatures
from vmafsal.logs.figures import AGAIN, NOT_FINITE, no_number, read_figure
from vmafsal.logs.log import Log

__all__ = ["UNKNOWN", "parse_json", "parse_lines"]

UNKNOWN = (
    "is no log that can be read here: JSON, XML, SUB or CSV (separated by commas, first column "
    "Frame) of libvmaf or vmafsal, or JSON or CSV of ffmpeg-quality-metrics. Write one with vmaf "
    "--json, or with ffmpeg's filter libvmaf=log_fmt=json:log_path=vmaf.json"
)

# A string, which is kept, or a number that is not finite and not valid JSON.
_STRING_OR_NOT_FINITE = re.compile(
    rf'"(?:[^"\\]|\\.)*"|(?<![\w.+-]){NOT_FINITE}(?![\w.])', re.ASCII | re.IGNORECASE
)


def parse_json(text: str, name: str) -> Log:
    """Read a JSON log.

    Args:
        text: the whole file.
        name: what errors call it.
    Returns:
        The log, its frames as they stand in the file.
    Raises:
        InputError: if it is damaged or no log.
    """
    content = _load(text, name)
    if not isinstance(content, dict):
        raise InputError(f"{name} {UNKNOWN}.")
    if not isinstance(content.get("frames"), list):
        return _parse_quality_metrics(content, name)
    aggregate = content.get("aggregate_metrics")
    provenance = content.get("vmafsal")
    return Log(
        version=str(content.get("version", "")),
        fps=_number(content.get("fps")),
        width=0,
        height=0,
        frames=list(_frames(content["frames"], name)),
        aggregate=_numbers(aggregate if isinstance(aggregate, dict) else {}, name, "the end"),
        vmafsal=provenance if isinstance(provenance, dict) else None,
    )


def parse_lines(text: str, name: str) -> Log:
    """Read JSON lines, as --ndjson writes them: the object of one frame in each line.

    Args:
        text: the whole file.
        name: what errors call it.
    Returns:
        The log, its frames as they stand in the file.
    Raises:
        InputError: if a line is damaged or no frame.
    """
    lines = text.split("\n")
    frames = [_load(line, name, n) for n, line in enumerate(lines, start=1) if line.strip()]
    return Log(version="", fps=None, width=0, height=0, frames=list(_frames(frames, name)))


def _load(text: str, name: str, line: int = 1) -> Any:
    """What a JSON text holds. line is its first line in the file."""
    try:
        return _loads(text, name)
    except json.JSONDecodeError:
        # libvmaf 2 prints figures that are not finite as C does: nan, -nan(ind), inf.
        text = _STRING_OR_NOT_FINITE.sub(_as_json, text)
    except (RecursionError, ValueError):
        pass
    try:
        return _loads(text, name)
    except json.JSONDecodeError as error:
        cut = error.pos >= len(text.rstrip()) or error.msg.startswith("Unterminated string")
        place = f"{'cut short' if cut else 'damaged'} in line {line + error.lineno - 1}"
        raise InputError(f"{name} is {place}: {AGAIN}.") from None
    except (RecursionError, ValueError):  # nested too deep, or an integer of thousands of digits
        raise InputError(f"{name} {UNKNOWN}.") from None


def _loads(text: str, name: str) -> Any:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        members = dict(pairs)
        if len(members) != len(pairs):
            keys = [key for key, _ in pairs]
            twice = next(key for key in keys if keys.count(key) > 1)
            raise InputError(f"{name} holds '{twice}' twice in one place: {AGAIN}.")
        for key in members:
            # JSON can spell half of a surrogate pair, which no file of text can hold.
            if not key.isascii() and re.search("[\ud800-\udfff]", key):
                raise InputError(f"{name} holds the name {json.dumps(key)}, no text: {AGAIN}.")
        return members

    return json.loads(text, object_pairs_hook=unique)


def _as_json(match: re.Match[str]) -> str:
    """A string as it is, a number that is not finite as Python's json spells it."""
    text = match[0]
    if text.startswith('"'):
        return text
    return json.dumps(read_figure(text))


def _frames(frames: list[Any], name: str) -> Iterator[FrameFeatures]:
    for place, frame in enumerate(frames, start=1):
        index = frame.get("frameNum") if isinstance(frame, dict) else None
        metrics = frame.get("metrics") if isinstance(frame, dict) else None
        if not isinstance(index, int) or isinstance(index, bool) or not isinstance(metrics, dict):
            raise InputError(
                f"{name} is no log of libvmaf: entry {place} of its frames has no whole "
                f"frameNum with metrics; {AGAIN}, or name another log."
            )
        time = _number(frame.get("pts_time"))
        yield FrameFeatures(
            index,
            _numbers(metrics, name, f"frame {index}"),
            pts_time=time if time is not None and math.isfinite(time) else None,
        )


def _parse_quality_metrics(content: Mapping[str, Any], name: str) -> Log:
    """The JSON of ffmpeg-quality-metrics: {metric: [{"n": 1, column: figure, …}, …], …}."""
    frames: dict[int, dict[str, float]] = {}
    for metric, entries in content.items():
        if not (isinstance(entries, list) and entries and isinstance(entries[0], dict)):
            continue
        for place, entry in enumerate(entries, start=1):
            number = entry.get("n") if isinstance(entry, dict) else None
            if not isinstance(number, int) or isinstance(number, bool) or number < 1:
                raise InputError(
                    f"{name} {UNKNOWN}: entry {place} of {metric} has no whole n from 1."
                )
            found = _numbers(
                {key: value for key, value in entry.items() if key != "n"},
                name,
                f"{metric} of n {number}",
            )
            # ffmpeg's psnr and ssim filters count from 1, and ffmpeg-quality-metrics with them.
            frame = frames.setdefault(number - 1, {})
            for key, value in found.items():
                column = key if key not in frame else f"{metric}_{key}"
                if column in frame:
                    raise InputError(f"{name} holds n {number} of {metric} twice: {AGAIN}.")
                frame[column] = value
    if not frames:
        raise InputError(f"{name} {UNKNOWN}.")
    return Log(
        version="ffmpeg-quality-metrics",
        fps=None,
        width=0,
        height=0,
        frames=[FrameFeatures(index, metrics) for index, metrics in frames.items()],
    )


def _numbers(values: Mapping[str, Any], name: str, where: str) -> dict[str, float]:
    numbers = {}
    for key, value in values.items():
        number = math.nan if value is None else _number(value)
        if number is None:
            raise no_number(name, where, key, value)
        numbers[key] = number
    return numbers


def _number(value: Any) -> float | None:
    """The number, or None if it is none. An integer beyond a double is infinite, as 1e999 is."""
    if isinstance(value, str):
        # A string may say that a figure is not finite. One that holds a finite figure is a fault.
        number = read_figure(value)
        return None if number is None or math.isfinite(number) else number
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf
