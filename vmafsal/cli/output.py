"""Standard output: what a command prints as its result."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["printed"]


@contextmanager
def printed(stderr: bool = False) -> Generator[Console]:
    """A console whose output is printed at the end of the with-block, all at once.

    Args:
        stderr: print to standard error instead of standard output.
    Yields:
        the console, to print tables and lines to.
    """
    from rich.console import Console

    console = Console(stderr=stderr, highlight=False)
    with console.capture() as capture:
        yield console
    # Not by rich, which ends the process with status 1 once the reader of a pipe has left.
    print(capture.get(), end="", file=console.file, flush=True)
