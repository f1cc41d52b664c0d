"""Opening what the user named: files, pipes and standard input."""

from __future__ import annotations

import difflib
import os
import stat
from io import FileIO
from pathlib import Path

from vmafsal.errors import InputError, UsageError
from vmafsal.video.base import STDIN, label
from vmafsal.video.pipe import Pipe, PipeBuffer, PipePair

__all__ = ["ByteInput", "open_bytes", "open_pipes"]

HEAD_BYTES = 512
"""Enough for every signature: MPEG-TS shows itself by its third packet, at byte 376."""

_STDIN_DESCRIPTOR = 0


class ByteInput:
    """Bytes of a file, a pipe or standard input, whose head can be looked at without loss."""

    def __init__(self, path: str, file: FileIO | PipeBuffer) -> None:
        self.path = path
        self._file = file
        mode = os.fstat(file.fileno())
        self.is_regular = stat.S_ISREG(mode.st_mode) and path != STDIN
        self.size: int | None = mode.st_size if self.is_regular else None
        self.position = 0
        self.head = b""
        """The first bytes, as far as they were looked at."""
        self._pending = b""

    def look(self, count: int) -> bytes:
        """The first `count` bytes, or all there are. To be called before anything is read."""
        if len(self.head) < count:
            if self.is_regular:
                self._file.seek(len(self.head))
            more = bytearray()
            while len(self.head) + len(more) < count:
                part = self._file.read(count - len(self.head) - len(more))
                if not part:
                    break
                more += part
            self.head += more
            if self.is_regular:
                self._file.seek(0)
            else:
                self._pending += more
        return self.head[:count]

    def read(self, count: int) -> bytes:
        """Up to count bytes; empty at the end only."""
        if self._pending:
            part, self._pending = self._pending[:count], self._pending[count:]
        else:
            part = self._file.read(count) or b""
        self.position += len(part)
        return part

    def fill(self, target: memoryview) -> int:
        """Read until `target` is full or the input ends; the number of bytes read."""
        done = 0
        while self._pending and done < len(target):
            part = self.read(len(target) - done)
            target[done : done + len(part)] = part
            done += len(part)
        while done < len(target):
            count = self._file.readinto(target[done:])
            if not count:
                break
            done += count
            self.position += count
        return done

    def skip_to(self, position: int) -> None:
        """Go to a byte of a regular file."""
        self._file.seek(position)
        self.position = position

    def size_now(self) -> int | None:
        """Size of the file as it is now; None for a pipe."""
        return os.fstat(self._file.fileno()).st_size if self.is_regular else None

    def close(self) -> None:
        """Close the file; standard input is left open."""
        self._file.close()


def open_bytes(path: str, pipes: PipePair | None = None) -> ByteInput:
    """Open what the user named and look at its first bytes.

    Args:
        path: a file, a named pipe, or "-" for standard input.
        pipes: the pair of pipes that it belongs to, from open_pipes().
    Raises:
        InputError: if it does not exist, is a directory, may not be read, or is empty.
        UsageError: if standard input is a terminal.
    """
    pipe = pipes.take(path) if pipes is not None else None
    try:
        if pipe is not None:
            file: FileIO | PipeBuffer = pipe
        elif path == STDIN:
            if os.isatty(_STDIN_DESCRIPTOR):
                raise UsageError(
                    "Standard input is a terminal. Pipe raw video or Y4M into it, "
                    "or name a file instead of -."
                )
            file = FileIO(_STDIN_DESCRIPTOR, "r", closefd=False)
        else:
            file = FileIO(path, "r")
        try:
            source = ByteInput(path, file)
            source.look(HEAD_BYTES)
        except BaseException:
            file.close()
            raise
    except OSError as error:
        raise InputError(_why_not(path, error)) from error
    except ValueError as error:
        raise InputError(f"{path!r} is no path: {error}.") from error
    if not source.head:
        source.close()
        raise InputError(f"{label(path)} is empty: there is no video to read.")
    return source


def open_pipes(first: str, second: str | None) -> PipePair:
    """Open two videos that are both pipes, before anything is read from either.

    One process may write both in turns. It then waits until both are open, and until what it
    wrote to one of them was read.

    Args:
        first, second: as open_source takes them; None where there is one video alone.
    Returns:
        What open_source takes as `pipes`; without a pipe in it unless both are pipes. To be
        closed when both videos are open.
    """
    pair = PipePair()
    if second is None or first == second or not (_is_pipe(first) and _is_pipe(second)):
        return pair
    for path in (first, second):
        try:
            if path == STDIN:
                pair.add(path, Pipe(os.dup(_STDIN_DESCRIPTOR)))
            else:
                # Without O_NONBLOCK this would wait for the writer, who may wait for the other.
                pair.add(path, Pipe(os.open(path, os.O_RDONLY | os.O_NONBLOCK)))
        except OSError:
            # open_bytes() will meet the same error, and say it.
            pair.close()
            break
    return pair


def _is_pipe(path: str) -> bool:
    try:
        mode = os.fstat(_STDIN_DESCRIPTOR) if path == STDIN else os.stat(path)
    except (OSError, ValueError):
        return False
    return stat.S_ISFIFO(mode.st_mode)


def _why_not(path: str, error: OSError) -> str:
    """A sentence for a file that could not be opened."""
    if isinstance(error, FileNotFoundError):
        return f"{path} does not exist.{_near(path)}"
    if isinstance(error, IsADirectoryError) or os.path.isdir(path):
        return f"{path} is a directory. Name one video file in it."
    if isinstance(error, PermissionError):
        return f"{path} may not be read: permission denied. Check its access rights."
    return f"{label(path)} cannot be read: {error.strerror or error}."


def _near(path: str) -> str:
    """A guess at what was meant, from the names beside the one that is missing."""
    if "://" in path:
        return " Only local files are read: download it first."
    missing = Path(path)
    try:
        names = [entry.name for entry in missing.parent.iterdir()]
    except OSError:
        return f" Nor can its folder {missing.parent} be listed."
    close = difflib.get_close_matches(missing.name, names, n=1, cutoff=0.75)
    if not close:
        return ""
    guess = str(missing.with_name(close[0]))
    # A name that begins with a dash would be read as options again.
    return f" Did you mean {'./' if guess.startswith('-') else ''}{guess}?"
