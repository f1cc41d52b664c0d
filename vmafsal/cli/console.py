"""Standard error: messages, and progress on a terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from rich.table import Table

    from vmafsal.features.frame import FrameFeatures
    from vmafsal.library.coordinator import ClipDone
    from vmafsal.library.scheduler import Event
    from vmafsal.run import Run

__all__ = ["progress", "progress_bar", "say", "workers_table"]


T = TypeVar("T")


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
    with progress_bar(result, result.frame_estimate, "saliency", quiet) as frames:
        yield frames


@contextmanager
def progress_bar(
    items: Iterable[T], total: int | None, what: str, quiet: bool
) -> Generator[Iterable[T]]:
    """Iterate frames, with a bar where standard error is a terminal.

    Args:
        items: one a frame.
        total: how many there will be; None where that is not known.
        what: is done with them, in a word.
        quiet: True for no bar.
    Yields:
        the items.
    """
    if quiet or not sys.stderr.isatty():
        yield items
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
        task = bar.add_task(what, total=total, rate="")
        begin = time.perf_counter()

        def shown() -> Generator[T]:
            for done, item in enumerate(items, start=1):
                rate = done / (time.perf_counter() - begin)
                bar.update(task, completed=done, rate=f"{rate:.1f} fps")
                yield item

        yield shown()


@contextmanager
def workers_table(
    clips: int, workers: int, quiet: bool
) -> Generator[Callable[[Event | ClipDone], int]]:
    """Follow a run of many clips, with a table of its workers where standard error is a terminal.

    Args:
        clips: how many there are.
        workers: how many there are.
        quiet: True for no table.
    Yields:
        what is to be called with every event; it returns how many clips are through.
    """
    from vmafsal.library.coordinator import ClipDone
    from vmafsal.library.scheduler import Progress, TaskStarted

    state = dict.fromkeys(range(workers), ("", "starting"))
    through = 0

    def watch(event: Event | ClipDone) -> int:
        nonlocal through
        if isinstance(event, ClipDone):
            through += 1
        elif isinstance(event, TaskStarted):
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
