"""libvmaf's JSON, with our provenance as one extra last key."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from vmafsal.logs.log import Log
from vmafsal.logs.number import NumberFormat

__all__ = ["format_json"]


def format_json(log: Log, number: NumberFormat) -> str:
    """The log as libvmaf prints it with --json.

    Args:
        log: what to write.
        number: how every number but fps is printed.
    Returns:
        The whole file, closed by a newline. Numbers stand as the number format printed them;
        NaN and infinity are null.
    """
    fps = "null" if log.fps is None or not math.isfinite(log.fps) else f"{log.fps:.2f}"
    frames = [
        f'    {{\n      "frameNum": {frame.index},\n      "metrics": '
        f"{_object(frame.metrics, number, indent=6)}\n    }}"
        for frame in log.frames
    ]
    pooled = [
        f"    {json.dumps(name)}: {_object(values, number, indent=4)}"
        for name, values in log.pooled().items()
    ]
    parts = [
        f'  "version": {json.dumps(log.version)}',
        f'  "fps": {fps}',
        '  "frames": [\n' + _lines(frames) + "  ]",
        '  "pooled_metrics": {\n' + _lines(pooled) + "  }",
        '  "aggregate_metrics": ' + _object(log.aggregate, number, indent=2),
    ]
    if log.vmafsal is not None:
        provenance = json.dumps(_without_nan(log.vmafsal), indent=2, allow_nan=False)
        parts.append('  "vmafsal": ' + provenance.replace("\n", "\n  "))
    return "{\n" + ",\n".join(parts) + "\n}\n"


def _object(values: Mapping[str, Any], number: NumberFormat, indent: int) -> str:
    """An object of numbers; an empty one is two lines, as libvmaf prints it."""
    margin = " " * indent
    members = [
        f"{margin}  {json.dumps(name)}: {number.format_json(value)}"
        for name, value in values.items()
    ]
    return "{\n" + _lines(members) + margin + "}"


def _lines(members: list[str]) -> str:
    return ",\n".join(members) + "\n" if members else ""


def _without_nan(value: Any) -> Any:
    """The same value with null for what JSON cannot say."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {key: _without_nan(member) for key, member in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_nan(member) for member in value]
    return value
