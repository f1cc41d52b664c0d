"""Columns to files and back: what is written, read and joined, and what it amounts to."""

from __future__ import annotations

from vmafsal.logs.log import Log
from vmafsal.logs.number import NumberFormat, parse_precision
from vmafsal.logs.write import LogFormat, check_names, choose_format, encode_log, format_log

__all__ = [
    "Log",
    "LogFormat",
    "NumberFormat",
    "check_names",
    "choose_format",
    "encode_log",
    "format_log",
    "parse_precision",
]
