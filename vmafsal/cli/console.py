"""What a person sees: sentences on standard error, and a progress bar on a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table

    from vmafsal.features.frame import FrameFeatures
    from vmafsal.library.engine import Event
    from vmafsal.library.run import Through
    from vmafsal.run import Run

__all__ = ["progress", "say", "workers_table"]


def say(sentence: str) -> None:
    """Print a sentence on standard error, behind the program's name."""
    print(f"vmafsal: {sentence}", file=sys.stderr, flush=True)


@contextmanager
def progress(result: Run, quiet: bool) -> Generator[Iterable[FrameFeatures]]:
    """Iterate a result, with a bar where standard error is a terminal.

    Args:
        result: not iterated yet.
        quiet: True for no bar.
    Yields:
        the result's frames.
    """
    if quiet or not sys.stderr.isatty():
        yield result
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        SpinnerColumn,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("saliency", total=result.frame_estimate, rate="")

        def frames() -> Generator[FrameFeatures]:
            for done, frame in enumerate(result, start=1):
                rate = done / result.elapsed_seconds if result.elapsed_seconds else 0.0
                bar.update(task, completed=done, rate=f"{rate:.1f} fps")
                yield frame

        yield frames()


@contextmanager
def workers_table(
    clips: int, workers: int, quiet: bool
) -> Generator[Callable[[Event | Through], int]]:
    """Follow a run of many clips, with a table of its workers where standard error is a terminal.

    Args:
        clips: how many there are.
        workers: how many there are.
        quiet: True for no table.
    Yields:
        what is to be called with every event; it returns how many clips are through.
    """
    from vmafsal.library.engine import Progress, Started
    from vmafsal.library.run import Through

    state = dict.fromkeys(range(workers), ("", "starting"))
    through = 0

    def watch(event: Event | Through) -> int:
        nonlocal through
        if isinstance(event, Through):
            through += 1
        elif isinstance(event, Started):
            state[event.worker] = (event.task.name, "")
        elif isinstance(event, Progress):
            total = f" of {event.total}" if event.total else ""
            rate = f"frame {event.done}{total}, {event.fps:.1f} fps"
            state[event.worker] = (state[event.worker][0], rate)
        else:
            state[event.worker] = ("", "")
        return through

    def table() -> Table:
        shown = Table("worker", "clip", "progress", title=f"{through} of {clips} clips")
        for number, (clip, rate) in state.items():
            # Text: square brackets in a name are no markup.
            shown.add_row(str(number), Text(clip), rate)
        return shown

    if quiet or not sys.stderr.isatty():
        yield watch
        return
    from rich.console import Console
    from rich.live import Live
    from rich.table import Table
    from rich.text import Text

    # Drawn when it is shown, not at every event: a cluster has many of both.
    with Live(get_renderable=table, console=Console(stderr=True), transient=True):
        yield watch
