"""Progress of a command, and checks of its outputs before it starts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from vmafsal.errors import OutputError
from vmafsal.files import FilesRead, check_destination

__all__ = ["Progress", "check_outputs", "make_folder", "progress_bar", "silent"]

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


def check_outputs(
    paths: Iterable[Path | None], inputs: Iterable[Path] = (), *, makes_folders: bool = False
) -> None:
    """Find out before the work that each result can be written, and replaces no input.

    Args:
        paths: of the results; None where one is not wanted.
        inputs: every file and every folder of pictures that the command reads. No result may lie
            in such a folder.
        makes_folders: whether the command makes the folders of its results.
    Raises:
        OutputError: naming the first that cannot be written.
    """
    listed = list(inputs)
    read, folders = FilesRead(listed), FilesRead(path for path in listed if path.is_dir())
    for path in paths:
        if path is None:
            continue
        if path.parent.is_dir() or not makes_folders:
            check_destination(str(path))
        if (folder := folders.find(path.parent)) is not None:
            raise OutputError(
                f"{path} would be written into {folder}, which this run reads: choose another "
                "folder for the result."
            )
        if (found := read.find(path)) is not None:
            raise OutputError(
                f"{path} would replace {found}, which this run reads: choose another folder for "
                "the result, or copy that file first."
            )


def make_folder(path: Path) -> None:
    """Make a folder for results, unless it is there.

    Raises:
        OutputError: if it cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"The folder {path} cannot be made: {error.strerror}.") from None
