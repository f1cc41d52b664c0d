"""Progress of a command, and checks of its outputs before it starts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TypeVar

from vmafsal.errors import OutputError
from vmafsal.files import FilesRead, check_destination

__all__ = ["check_outputs", "make_folder", "track"]

T = TypeVar("T")


def track(items: Sequence[T], what: str) -> Iterable[T]:
    """Go through items with a bar on a terminal, and without one anywhere else."""
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    return track(items, what, console=console, transient=True, disable=not console.is_terminal)


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
    for path in filter(None, paths):
        if path.parent.is_dir() or not makes_folders:
            check_destination(str(path))
        folder = folders.find(path.parent)
        if found := folder or read.find(path):
            raise OutputError(
                f"{path} would {'be written into' if folder else 'replace'} {found}, which this "
                "run reads: choose another folder for the result, or copy that file first."
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
