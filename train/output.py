"""What a command leaves behind: a file that is whole or absent, a bar on a terminal."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from vmafsal.errors import OutputError

__all__ = ["Progress", "progress_bar", "refuse_unwritable", "silent", "write_whole"]

Progress = Callable[[str, int, int], None]
"""Told (what is being done, done so far, of how many)."""


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

        def tell(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bar.add_task(what, total=total)
            bar.update(tasks[what], completed=done)

        yield tell


def refuse_unwritable(*paths: Path | None) -> None:
    """Find out before the work, not after it, that a result cannot be written.

    Raises:
        OutputError: naming the folder that is missing or closed.
    """
    for path in paths:
        if path is None:
            continue
        folder = path.parent
        if not folder.is_dir() or not os.access(folder, os.W_OK):
            raise OutputError(f"{path} cannot be written: make the folder {folder}, or open it.")
        if path.is_dir():
            raise OutputError(f"{path} is a folder; name a file.")


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a file so that it is whole or absent; text is UTF-8.

    Raises:
        OutputError: if it cannot be written.
    """
    data = content.encode() if isinstance(content, str) else content
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        part.write_bytes(data)
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise OutputError(f"{path} cannot be written: {error.strerror or error}.") from error
