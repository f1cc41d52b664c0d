"""Logs in libvmaf's shapes: what is written, and what is read back."""

from __future__ import annotations

import re
from pathlib import PurePath

from vmafsal.errors import OutputError, UsageError
from vmafsal.logs.csv import format_csv
from vmafsal.logs.json import format_json
from vmafsal.logs.log import Log, LogFormat
from vmafsal.logs.number import NumberFormat, parse_precision
from vmafsal.logs.sub import format_sub
from vmafsal.logs.xml import format_xml

__all__ = [
    "Log",
    "LogFormat",
    "NumberFormat",
    "check_names",
    "choose_format",
    "format_log",
    "parse_precision",
]

_WRITERS = {"json": format_json, "xml": format_xml, "csv": format_csv, "sub": format_sub}

# What a column's name may be in a format that has no way to quote it.
_NAMES: dict[LogFormat, re.Pattern[str]] = {
    "json": re.compile(r"(?s).*"),
    "xml": re.compile(r"(?!frameNum$)[^\W\d][\w.\-]*"),
    "csv": re.compile(r'[^,"\r\n]+'),
    "sub": re.compile(r"[^|{}\r\n]+"),
}


def format_log(log: Log, fmt: LogFormat, number: NumberFormat) -> str:
    """The whole file, as libvmaf would have printed it.

    Args:
        log: what to write.
        fmt: "json", "xml", "csv" or "sub".
        number: how numbers are printed.
    Returns:
        The text of the file, closed by a newline.
    Raises:
        OutputError: if a column has a name that the format cannot carry.
    """
    check_names([*log.feature_names, *log.aggregate], fmt)
    return _WRITERS[fmt](log, number)


def check_names(names: list[str], fmt: LogFormat) -> None:
    """Refuse a column's name that the format cannot carry.

    Args:
        names: of the columns.
        fmt: the format to write.
    Raises:
        OutputError: naming the first such column.
    """
    for name in names:
        if not _NAMES[fmt].fullmatch(name):
            raise OutputError(
                f"A {fmt.upper()} log cannot hold a column named '{name}': "
                "give it another name, or write JSON."
            )


def choose_format(
    output: str | None,
    xml: bool = False,
    json: bool = False,
    csv: bool = False,
    sub: bool = False,
) -> LogFormat:
    """Which format to write: the flag's, else the one the file's ending names, else JSON.

    Args:
        output: the file's name, or None where there is none.
        xml, json, csv, sub: the flags of those names.
    Returns:
        "json", "xml", "csv" or "sub".
    Raises:
        UsageError: if more than one flag is set.
    """
    flags: dict[LogFormat, bool] = {"xml": xml, "json": json, "csv": csv, "sub": sub}
    asked = [fmt for fmt, is_set in flags.items() if is_set]
    if len(asked) > 1:
        listed = " and ".join(f"--{fmt}" for fmt in asked)
        raise UsageError(f"A log has one format, but {listed} were given: keep one of them.")
    if asked:
        return asked[0]
    ending = PurePath(output or "").suffix.lower().removeprefix(".")
    return next((fmt for fmt in flags if fmt == ending), "json")
