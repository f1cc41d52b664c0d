"""vmafsal join: several logs by frameNum into one, and how saliency goes with the rest."""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from vmafsal.cli.console import say
from vmafsal.cli.join_table import print_join
from vmafsal.errors import UsageError

if TYPE_CHECKING:
    from vmafsal.logs import Log, LogFormat
    from vmafsal.logs.align import How

__all__ = ["join"]

T = TypeVar("T")

# One line a paragraph, since typer keeps the line breaks that it finds.
_HELP = (
    "Join logs by frameNum into one, and print how saliency_mean correlates with each other "
    "column.\n\n"
    "Reads the logs of vmaf, of ffmpeg's libvmaf filter, of ffmpeg-quality-metrics, and vmafsal's "
    "own. Pooled values are computed again.\n\n"
    "\b\n"
    "Examples:\n"
    "  vmafsal join score.json vmaf.json -o combined.json\n"
    "  vmafsal join score.json vmaf.xml psnr.csv --tidy -o all.csv\n"
    "  vmafsal join score.json low.json high.json --suffix low.json=low\n"
    "  vmafsal join score.json vmaf.json psnr.json --take psnr_y=psnr.json\n"
    "  vmafsal join score.json cut.json --offset cut.json=50 -o combined.json\n"
)


class _How(StrEnum):
    exact = "exact"
    inner = "inner"


class _Format(StrEnum):
    json = "json"
    xml = "xml"
    csv = "csv"
    sub = "sub"
    tidy = "tidy"
    ndjson = "ndjson"
    parquet = "parquet"


def join(
    logs: Annotated[
        list[str],
        typer.Argument(
            metavar="LOG",
            help="Two logs or more; - reads standard input.",
            show_default=False,
        ),
    ],
    output: Annotated[
        str | None,
        typer.Option(
            "-o",
            "--output",
            metavar="FILE",
            help="Where the joined log goes, e.g. combined.json; - is standard output. "
            "Without it and --format only the table is printed.",
        ),
    ] = None,
    how: Annotated[
        _How,
        typer.Option(
            help="exact: the logs must hold the same frames. inner: take the frames that all hold."
        ),
    ] = _How.exact,
    suffix: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE=TAG",
            help="Call each column of FILE <column>_TAG, e.g. low.json=low. May be repeated.",
        ),
    ] = None,
    rename: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[FILE:]COLUMN=NAME",
            help="Call COLUMN NAME, e.g. vmaf=vmaf_salient; with FILE: in that log alone. "
            "May be repeated.",
        ),
    ] = None,
    take: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN=FILE",
            help="Where several logs hold COLUMN, take FILE's, e.g. psnr_y=psnr.json. "
            "May be repeated.",
        ),
    ] = None,
    offset: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE=N",
            help="Add N to the frame numbers of FILE, e.g. cut.json=50 for a log that begins with "
            "frame 50, or counted.csv=-1 for one that counts from 1. May be repeated.",
        ),
    ] = None,
    format: Annotated[
        _Format | None,
        typer.Option(
            help="Format of the joined log, which goes to standard output where --output is not "
            "given; without it the ending of --output decides. tidy is CSV without the comma at "
            "the end of each line.",
            show_default=False,
        ),
    ] = None,
    tidy: Annotated[bool, typer.Option("--tidy", help="Short for --format tidy.")] = False,
    times: Annotated[
        bool,
        typer.Option("--times", help="Write pts_time into JSON, where one of the logs has it."),
    ] = False,
    precision: Annotated[
        str | None,
        typer.Option(
            metavar="N|max|full|legacy",
            help="N significant digits (1 to 17), max or full for 17, legacy for six decimals "
            "always. Without it: six decimals, and more for tiny fractions. E.g. max.",
        ),
    ] = None,
    show_all: Annotated[
        bool,
        typer.Option(
            "--all",
            help="Show all columns in the table, not only those of vmaf, psnr, ssim and cambi.",
        ),
    ] = False,
    quiet: Annotated[
        bool,
        typer.Option(
            "-q", "--quiet", help="Print neither the table nor notices nor the closing line."
        ),
    ] = False,
) -> None:
    from vmafsal.files import open_output
    from vmafsal.logs import encode_log, parse_precision
    from vmafsal.logs.join import join_logs
    from vmafsal.logs.parquet import check_parquet
    from vmafsal.logs.read import read_log

    twice = next((name for name in logs if logs.count(name) > 1), None)
    if twice is not None:
        raise UsageError(f"{twice} is named twice: name each log once.")
    if output is None and (format is not None or tidy):
        output = "-"
    kind = _choose_format(output, format, tidy)
    number = parse_precision(precision)
    if output is None and (times or precision is not None):
        option = "--times" if times else "--precision"
        raise UsageError(f"{option} is about the log that is written: name it with --output.")
    if kind == "parquet":
        check_parquet()
        if precision is not None:
            raise UsageError("Parquet holds every digit: leave --precision out.")
    how_named: How = how.value
    suffixes = _unique(
        "--suffix",
        (
            (_find(file, logs, "--suffix"), tag)
            for file, tag in _splits(suffix, "--suffix", "FILE=TAG", last=True)
        ),
    )
    taken = _unique(
        "--take",
        (
            (column, _find(file, logs, "--take"))
            for column, file in _splits(take, "--take", "COLUMN=FILE")
        ),
    )
    renamed_as_given = _splits(rename, "--rename", "[FILE:]COLUMN=NAME", last=True)
    offsets = _unique(
        "--offset",
        (
            (_find(file, logs, "--offset"), _whole_number(count))
            for file, count in _splits(offset, "--offset", "FILE=N", last=True)
        ),
    )

    def joined_log() -> Log:
        read = {name: read_log(name) for name in logs}
        columns = {
            f"{column}_{suffixes[name]}" if name in suffixes else column
            for name, log in read.items()
            for column in log.feature_names
        }
        renamed = _unique(
            "--rename",
            ((_find_column(column, logs, columns), new) for column, new in renamed_as_given),
        )
        return join_logs(read, how_named, suffixes, taken, renamed, offsets)

    if output is None:
        joined = joined_log()
    else:
        with open_output(output, inputs=logs) as file:
            joined = joined_log()
            file.write(encode_log(joined, kind, number, times))
            file.commit()
    if not quiet:
        for notice in (joined.vmafsal or {})["join"].get("notices", []):
            say(notice)
        print_join(joined, len(logs), output, show_all)


join.__doc__ = _HELP


def _choose_format(output: str | None, asked: _Format | None, tidy: bool) -> LogFormat:
    from vmafsal.logs import choose_format

    if tidy and asked not in (None, _Format.tidy, _Format.csv):
        raise UsageError(f"--tidy is CSV, but --format is {asked}: keep one of them.")
    if tidy:
        return "tidy"
    return choose_format(output) if asked is None else asked.value


def _splits(
    texts: list[str] | None, option: str, shape: str, last: bool = False
) -> list[tuple[str, str]]:
    pairs = []
    for text in texts or []:
        left, equals, right = text.rpartition("=") if last else text.partition("=")
        if not (left and equals and right):
            raise UsageError(f"{option} takes {shape}; it got '{text}'.")
        pairs.append((left, right))
    return pairs


def _unique(option: str, pairs: Iterable[tuple[str, T]]) -> dict[str, T]:
    """The pairs, of whose equal keys a dictionary would keep the last one without a word."""
    found: dict[str, T] = {}
    for name, value in pairs:
        if name in found:
            raise UsageError(f"{option} names {name} twice: keep one of them.")
        found[name] = value
    return found


def _find(file: str, logs: list[str], option: str) -> str:
    """The log that is meant: by its name as given, else by the end of its path."""
    if file in logs:
        return file
    found = [name for name in logs if Path(name).name == file]
    if len(found) == 1:
        return found[0]
    if found:
        raise UsageError(f"{option} {file} fits {' and '.join(found)}: name the whole path.")
    raise UsageError(f"{option} names {file}, which is none of the logs: {', '.join(logs)}.")


def _find_column(text: str, logs: list[str], columns: set[str]) -> str:
    """COLUMN as it is, FILE:COLUMN with the log's name as it stands on the command line."""
    if text in columns or ":" not in text.strip(":"):
        return text
    # A file's name may hold a colon, and so may a column's.
    splits = [(text[: colon.start()], text[colon.end() :]) for colon in re.finditer(":", text)]
    names = {*logs, *(Path(name).name for name in logs)}
    file, column = next((split for split in splits if split[0] in names), splits[-1])
    return f"{_find(file, logs, '--rename')}:{column}"


def _whole_number(text: str) -> int:
    if not re.fullmatch(r"[+-]?[0-9]{1,9}", text):
        raise UsageError(f"--offset takes FILE=N, N a whole number of frames; it got '{text}'.")
    return int(text)
