"""vmafsal stats LOG…: statistics of each column, of all frames or of each scene."""

from __future__ import annotations

import csv
import io
import json
from enum import StrEnum
from pathlib import PurePath
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from vmafsal.cli.console import say
from vmafsal.cli.output import printed
from vmafsal.errors import UsageError

if TYPE_CHECKING:
    from rich.table import Table

    from vmafsal.logs import Log
    from vmafsal.logs.scenes import Scene
    from vmafsal.logs.stats import Summary

__all__ = ["stats"]

# One line a paragraph, since typer keeps the line breaks that it finds.
_HELP = (
    "Print statistics of each column of a log: n, mean, harmonic mean, min, percentiles, max, "
    "standard deviation.\n\n"
    "Reads what `vmafsal join` reads. Values that are not finite are left out, and n says how "
    "many there are.\n\n"
    "\b\n"
    "Examples:\n"
    "  vmafsal stats combined.json\n"
    "  vmafsal stats vmaf.json --by scenes.csv -o stats.csv\n"
    "  vmafsal stats low.json high.json -o stats.json\n"
)


class _Format(StrEnum):
    csv = "csv"
    json = "json"


class _Block(NamedTuple):
    """The statistics of one log, or of one scene of it."""

    log: str
    scene: Scene | None
    columns: dict[str, Summary]


def stats(
    logs: Annotated[
        list[str],
        typer.Argument(
            metavar="LOG", help="One log or more; - reads standard input.", show_default=False
        ),
    ],
    by: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="PySceneDetect's list of scenes (CSV): statistics of each scene, then of all "
            "frames.",
        ),
    ] = None,
    output: Annotated[
        str | None,
        typer.Option(
            "-o",
            "--output",
            metavar="FILE",
            help="Where the statistics go with all digits: .csv or .json; - is standard output.",
        ),
    ] = None,
    format: Annotated[
        _Format | None,
        typer.Option(
            help="Format of the statistics, which go to standard output where --output is not "
            "given; without it the ending decides, and CSV goes to standard output.",
            show_default=False,
        ),
    ] = None,
    quiet: Annotated[
        bool, typer.Option("-q", "--quiet", help="Print neither the table nor notices.")
    ] = False,
) -> None:
    from vmafsal.files import open_output
    from vmafsal.logs.read import read_log
    from vmafsal.logs.scenes import read_scenes

    twice = next((name for name in logs if logs.count(name) > 1), None)
    if twice is not None:
        raise UsageError(f"{twice} is named twice: name each log once.")
    if output is None and format is not None:
        output = "-"
    kind = _choose_format(output, format)

    def blocks() -> list[_Block]:
        scenes = read_scenes(by) if by is not None else []
        return [block for name in logs for block in _summarise(name, read_log(name), scenes)]

    if output is None:
        found = blocks()
    else:
        with open_output(output, [*logs, *([by] if by is not None else [])]) as file:
            found = blocks()
            file.write(_as_csv(found) if kind == "csv" else _as_json(found))
            file.commit()
    if quiet:
        return
    for block in found:
        if block.scene is not None and not any(one.n for one in block.columns.values()):
            say(f"{block.log} holds no frame of {_heading(block)}.")
    _print(found, many=len(logs) > 1, to_stderr=output in ("-", "/dev/stdout"))


stats.__doc__ = _HELP


def _choose_format(output: str | None, asked: _Format | None) -> str:
    if asked is not None:
        return asked.value
    if output in (None, "-", "/dev/stdout"):
        return "csv"
    ending = PurePath(output or "").suffix.lower()
    if ending not in (".csv", ".json"):
        raise UsageError(
            f"{output} has an ending that names no format of statistics: use .csv or .json, or "
            "name it with --format."
        )
    return ending[1:]


def _summarise(name: str, log: Log, scenes: list[Scene]) -> list[_Block]:
    from vmafsal.logs.align import frames_skipped
    from vmafsal.logs.stats import summarise

    # Scenes are numbered from the beginning of the video, which the log may have skipped.
    skipped = frames_skipped(log).get("distorted", 0)
    blocks = []
    for scene in [*scenes, None]:
        frames = [
            frame
            for frame in log.frames
            if scene is None or scene.first <= frame.index + skipped <= scene.last
        ]
        columns = {
            column: summarise(f.metrics[column] for f in frames if column in f.metrics)
            for column in log.feature_names
        }
        blocks.append(_Block(name, scene, columns))
    return blocks


def _rows(blocks: list[_Block]) -> list[dict[str, Any]]:
    return [
        {
            "log": block.log,
            "scene": None if block.scene is None else block.scene.number,
            "first_frame": None if block.scene is None else block.scene.first,
            "last_frame": None if block.scene is None else block.scene.last,
            "column": column,
            **summary._asdict(),
        }
        for block in blocks
        for column, summary in block.columns.items()
    ]


def _as_csv(blocks: list[_Block]) -> str:
    rows = _rows(blocks)
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _as_json(blocks: list[_Block]) -> str:
    return json.dumps(_rows(blocks), indent=2) + "\n"


def _heading(block: _Block) -> str:
    if block.scene is None:
        return "all frames"
    number, first, last = block.scene
    return f"scene {number} (frames {first}-{last})"


def _print(blocks: list[_Block], many: bool, to_stderr: bool) -> None:
    from rich.console import Console
    from rich.text import Text

    headed = many or len(blocks) > 1
    with printed(to_stderr) as console:
        none = "-" if console.options.ascii_only else "–"
        tables = [_table(block, none) for block in blocks]
        # A table that a terminal wraps can still be read; one whose figures are cut cannot.
        unbounded = Console(width=10_000)
        console.width = max(console.width, *(unbounded.measure(table).maximum for table in tables))
        for block, table in zip(blocks, tables, strict=True):
            if headed:
                name = f"{block.log}, " if many else ""
                console.print(Text(f"{name}{_heading(block)}"), soft_wrap=True)
            console.print(table)


def _table(block: _Block, none: str) -> Table:
    from rich.table import Table
    from rich.text import Text

    from vmafsal.logs.stats import Summary

    table = Table()
    table.add_column("column", no_wrap=True)
    for heading in Summary._fields:
        table.add_column(heading, justify="right", no_wrap=True)
    for column, summary in block.columns.items():
        figures = [none if value is None else f"{value:.4f}" for value in summary[1:]]
        table.add_row(Text(column), str(summary.n), *figures)
    return table
