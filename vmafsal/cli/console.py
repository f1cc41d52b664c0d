"""What a person sees: sentences on standard error, and a progress bar on a terminal."""

from __future__ import annotations

import sys
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vmafsal.features import FrameFeatures
    from vmafsal.result import Result

__all__ = ["progress", "say"]


def say(sentence: str) -> None:
    """Print a sentence on standard error, under our name."""
    print(f"vmafsal: {sentence}", file=sys.stderr, flush=True)


@contextmanager
def progress(result: Result, quiet: bool) -> Generator[Iterable[FrameFeatures]]:
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
