"""libvmaf's XML."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any
from xml.sax.saxutils import escape

from vmafsal.logs.log import Log
from vmafsal.logs.number import NumberFormat

__all__ = ["format_xml"]

_QUOTED = {'"': "&quot;", "\n": "&#10;", "\r": "&#13;", "\t": "&#9;"}


def format_xml(log: Log, number: NumberFormat) -> str:
    """The log as libvmaf prints it with --xml: no declaration, one element a line.

    Args:
        log: what to write; the names of its features must be XML names.
        number: how every number but fps is printed.
    Returns:
        The whole file, closed by a newline. NaN and infinity are "nan", "inf", "-inf".
    """
    fps = math.nan if log.fps is None else log.fps
    lines = [
        f"<VMAF {_attribute('version', log.version)}>",
        f'  <params qualityWidth="{log.width}" qualityHeight="{log.height}" />',
        f'  <fyi fps="{fps:.2f}" />',
        "  <frames>",
    ]
    lines += [
        f'    <frame frameNum="{frame.index}" {_numbers(frame.metrics, number)}/>'
        for frame in log.frames
    ]
    lines += ["  </frames>", "  <pooled_metrics>"]
    lines += [
        f"    <metric {_attribute('name', name)} {_numbers(values, number)}/>"
        for name, values in log.pooled().items()
    ]
    lines += [
        "  </pooled_metrics>",
        f"  <aggregate_metrics {_numbers(log.aggregate, number)}/>",
        "</VMAF>",
    ]
    return "\n".join(lines) + "\n"


def _attribute(name: str, text: str) -> str:
    return f'{name}="{escape(text, _QUOTED)}"'


def _numbers(values: Mapping[str, Any], number: NumberFormat) -> str:
    return "".join(f'{name}="{number.format(value)}" ' for name, value in values.items())
