"""vmafsal join: several logs by frameNum into one, and how saliency goes with the rest."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from vmafsal.errors import UsageError

if TYPE_CHECKING:
    from rich.table import Table

    from vmafsal.logs import Log, NumberFormat
    from vmafsal.logs.join import How, Pair

__all__ = ["join"]

# One line a paragraph, since typer keeps the line breaks that it finds.
_HELP = (
    "Join logs by frameNum into one, and print how saliency_mean correlates with each other "
    "column.\n\n"
    "Reads libvmaf's JSON, XML, CSV and SUB since version 2, from the vmaf command line and from "
    "ffmpeg's libvmaf filter, and vmafsal's own. Pooled values are computed again.\n\n"
    "\b\n"
    "Examples:\n"
    "  vmafsal join score.json vmaf.json -o combined.json\n"
    "  vmafsal join score.json vmaf.xml psnr.csv --format tidy -o all.csv\n"
    "  vmafsal join score.json low.json high.json --suffix low.json=low\n"
    "  vmafsal join score.json vmaf.json psnr.json --take psnr_y=psnr.json\n"
)

_Kind = Literal["json", "xml", "csv", "sub", "tidy", "parquet"]


class _How(StrEnum):
    exact = "exact"
    inner = "inner"


class _Format(StrEnum):
    json = "json"
    xml = "xml"
    csv = "csv"
    sub = "sub"
    tidy = "tidy"
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
            "Without it only the table is printed.",
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
    take: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN=FILE",
            help="Where several logs hold COLUMN, take FILE's, e.g. psnr_y=psnr.json. "
            "May be repeated.",
        ),
    ] = None,
    format: Annotated[
        _Format | None,
        typer.Option(
            help="Format of the joined log; without it the ending of --output decides, else JSON. "
            "tidy is CSV without the comma at the end of each line.",
            show_default=False,
        ),
    ] = None,
    precision: Annotated[
        str | None,
        typer.Option(
            metavar="N|max|full|legacy",
            help="N significant digits (1 to 17), max or full for 17, legacy for six decimals "
            "always. Without it: six decimals, and more for tiny fractions. E.g. max.",
        ),
    ] = None,
    quiet: Annotated[
        bool, typer.Option("-q", "--quiet", help="Print neither the table nor the closing line.")
    ] = False,
) -> None:
    from vmafsal.logs import parse_precision
    from vmafsal.logs.file import open_log
    from vmafsal.logs.join import correlations, join_logs
    from vmafsal.logs.parquet import check_parquet
    from vmafsal.logs.read import read_log

    twice = next((name for name in logs if logs.count(name) > 1), None)
    if twice is not None:
        raise UsageError(f"{twice} is named twice: name each log once.")
    kind = _choose_format(output, format)
    number = parse_precision(precision)
    if kind == "parquet":
        check_parquet()
        if precision is not None:
            raise UsageError("Parquet holds every digit: leave --precision out.")
    how_named: How = how.value
    suffixes = {
        _find(file, logs, "--suffix"): tag
        for file, tag in (_split(text, "--suffix", "FILE=TAG", last=True) for text in suffix or [])
    }
    taken = {
        column: _find(file, logs, "--take")
        for column, file in (_split(text, "--take", "COLUMN=FILE") for text in take or [])
    }

    if output is None:
        joined = join_logs({name: read_log(name) for name in logs}, how_named, suffixes, taken)
    else:
        with open_log(output, inputs=logs) as file:
            joined = join_logs({name: read_log(name) for name in logs}, how_named, suffixes, taken)
            file.write(_format_joined(joined, kind, number))
            file.commit()
    if not quiet:
        _print(joined, correlations(joined), len(logs), output)


join.__doc__ = _HELP


def _choose_format(output: str | None, asked: _Format | None) -> _Kind:
    from vmafsal.logs import choose_format

    if asked is not None:
        return asked.value
    if PurePath(output or "").suffix.lower() in (".parquet", ".pq"):
        return "parquet"
    return choose_format(output)


def _format_joined(log: Log, kind: _Kind, number: NumberFormat) -> str | bytes:
    from vmafsal.logs import check_names, format_log
    from vmafsal.logs.csv import format_csv
    from vmafsal.logs.parquet import format_parquet

    if kind == "parquet":
        return format_parquet(log)
    if kind == "tidy":
        check_names(log.feature_names, "csv")
        return format_csv(log, number, tidy=True)
    return format_log(log, kind, number)


def _split(text: str, option: str, shape: str, last: bool = False) -> tuple[str, str]:
    left, equals, right = text.rpartition("=") if last else text.partition("=")
    if not (left and equals and right):
        raise UsageError(f"{option} takes {shape}; it got '{text}'.")
    return left, right


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


def _print(log: Log, pairs: list[Pair], count: int, output: str | None) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console(stderr=output in ("-", "/dev/stdout"), highlight=False)
    with console.capture() as capture:
        if pairs:
            console.print(_table(pairs, none="-" if console.options.ascii_only else "–"))
        else:
            console.print("No column's name begins with saliency_mean: nothing to correlate.")
        place = f"{output}: " if output not in (None, "-") else ""
        facts = f"{len(log.frames)} frames, {len(log.feature_names)} columns, {count} logs."
        console.print(Text(place + facts), soft_wrap=True)
    # Not by rich, which ends the process with status 1 once the reader of a pipe has left.
    print(capture.get(), end="", file=console.file, flush=True)


def _table(pairs: list[Pair], none: str) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table()
    for heading in ("saliency", "column"):
        table.add_column(heading, overflow="fold")
    for heading in ("Pearson", "Spearman", "n"):
        table.add_column(heading, justify="right", no_wrap=True)
    for pair in pairs:
        pearson, spearman, n = pair.correlation
        table.add_row(
            Text(pair.saliency),
            Text(pair.other),
            *(none if value is None else f"{value:.4f}" for value in (pearson, spearman)),
            str(n),
        )
    return table
