"""What a command shows while it runs, and the check of its outputs before it starts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from vmafsal.files import check_destination

__all__ = ["Progress", "check_outputs", "progress_bar", "silent"]

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how many are done, of how many."""


def silent(what: str, done: int, total: int) -> None:
    """A Progress that shows nothing."""


@contextmanager
def progress_bar() -> Iterator[Progress]:
    """A bar for each thing that is being done, on a terminal; nothing anywhere else."""
    from rich.console import Console
    from rich.progress import Progress as Bar

    console = Console(stderr=True)
    with Bar(console=console, transient=True, disable=not console.is_terminal) as bar:
        tasks: dict[str, Any] = {}

        def show(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bar.add_task(what, total=total)
            bar.update(tasks[what], completed=done)

        yield show


def check_outputs(paths: Iterable[Path | None], inputs: Iterable[Path] = ()) -> None:
    """Find out before the work that each result can be written, and replaces no input.

    Args:
        paths: of the results; None where one is not wanted.
        inputs: every file that the command reads.
    Raises:
        OutputError: naming the first that cannot be written.
    """
    read = list(inputs)
    for path in paths:
        if path is not None:
            check_destination(str(path), read)
