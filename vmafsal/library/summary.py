"""The summary: JSON lines, one record a clip, that no crash can spoil."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, fields
from pathlib import Path
from types import TracebackType
from typing import Self

from vmafsal.errors import OutputError, UsageError
from vmafsal.library.manifest import SUMMARIES
from vmafsal.library.record import Record
from vmafsal.logs.file import open_log, output_error

try:
    import fcntl
except ImportError:  # Windows has none: there, nothing keeps two runs apart
    fcntl = None  # type: ignore[assignment]

__all__ = ["Summary", "read_records"]


_TEMPORARY = ".vmafsal-*.tmp"
_LOCK_TRIES = 10
_LOCK_PAUSE_SECONDS = 0.1
_SHARED_AGE_SECONDS = 3600.0
"""A temporary file lives for milliseconds; clocks of machines that share a disk differ by less."""
_KEYS = frozenset(field.name for field in fields(Record))


class Summary:
    """One run's own summary file, locked for as long as the run lasts.

    Records are appended, each in one write that is on the disk before the next clip counts. A
    later record of a clip replaces an earlier one; at the end the file is written anew with the
    last of each.
    """

    def __init__(self, folder: str, name: str = "summary.jsonl") -> None:
        """
        Args:
            folder: where logs go; it is made where it is missing.
            name: of the file in it.
        Raises:
            OutputError: if it cannot be written there.
            UsageError: if another run is at it.
        """
        self.path = Path(folder, name)
        self._folder = Path(folder)
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            # A file of its own: the summary itself is replaced at the end.
            self._lock = os.open(_lock_of(self.path), os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            raise output_error(str(self.path), error) from None
        if not _lock(self._lock):
            os.close(self._lock)
            raise UsageError(
                f"Another run writes to {self.path}: wait for its end, or choose another "
                "--output-dir."
            )
        try:
            self.records = read_records(self._folder)
            """The last record of every clip in the folder, by output."""
            self._own = {record.output for record in _read(self.path)}
            self._handle = self._open()
        except BaseException:
            os.close(self._lock)
            raise

    def _open(self) -> int:
        try:
            handle = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o666)
            size = os.lseek(handle, 0, os.SEEK_END)
            if size:
                os.lseek(handle, size - 1, os.SEEK_SET)
                if os.read(handle, 1) != b"\n":
                    os.write(handle, b"\n")  # a line that a crash tore stays one line
        except OSError as error:
            raise output_error(str(self.path), error) from None
        return handle

    def append(self, record: Record) -> None:
        """Add a record.

        Raises:
            OutputError: if the disk is full.
        """
        line = _line(record)
        try:
            written = os.write(self._handle, line)
            os.fsync(self._handle)
        except OSError as error:
            raise output_error(str(self.path), error) from None
        if written != len(line):
            raise OutputError(
                f"{self.path} could not be written, because the disk is full: free some space, "
                "and run the same command again."
            )
        self.records[record.output] = record
        self._own.add(record.output)

    def remove_leftovers(self, outputs: Iterable[str], shared: bool = False) -> None:
        """Remove the temporary files of runs that were killed, unless another run is at work.

        Args:
            outputs: their folders are looked through.
            shared: other runs may begin in the folder at any moment: old files alone go.
        """
        for other in self._folder.glob(SUMMARIES):
            if other != self.path and _is_locked(other):
                return
        newest = time.time() - _SHARED_AGE_SECONDS if shared else math.inf
        for folder in {self._folder} | {self._folder / Path(output).parent for output in outputs}:
            for leftover in folder.glob(_TEMPORARY):
                with suppress(OSError):
                    if leftover.stat().st_mtime < newest:
                        leftover.unlink()

    def close(self) -> None:
        """Write the file anew with one line a clip, and let go of it."""
        os.close(self._handle)
        try:
            records = [self.records[output] for output in sorted(self._own)]
            with open_log(str(self.path)) as file:
                for record in records:
                    file.write(_line(record))
                file.commit()
        finally:
            os.close(self._lock)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def read_records(folder: Path) -> dict[str, Record]:
    """The last record of every clip, from all summaries of a folder, by output.

    Lines that a crash tore, or that another program wrote, are passed over.
    """
    paths = sorted(folder.glob(SUMMARIES), key=lambda path: path.stat().st_mtime_ns)
    return {record.output: record for path in paths for record in _read(path)}


def _read(path: Path) -> list[Record]:
    records = []
    with suppress(FileNotFoundError), open(path, "rb") as file:
        for line in file:
            with suppress(ValueError):
                values = json.loads(line)
                if isinstance(values, dict) and values.keys() == _KEYS:
                    record = Record(**values)
                    if isinstance(record.output, str) and isinstance(record.inputs, dict):
                        records.append(record)
    return records


def _line(record: Record) -> bytes:
    return json.dumps(asdict(record), allow_nan=False).encode() + b"\n"


def _lock_of(path: Path) -> Path:
    return path.with_name(f".{path.name}.lock")


def _lock(handle: int) -> bool:
    """Take the lock of a summary; False where another run keeps it."""
    for _ in range(_LOCK_TRIES):
        if _try_lock(handle):
            return True
        # It may be another run that only looks whether this one is at work.
        time.sleep(_LOCK_PAUSE_SECONDS)
    return False


def _try_lock(handle: int) -> bool:
    if fcntl is None:
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return True
    return True


def _is_locked(summary: Path) -> bool:
    try:
        handle = os.open(_lock_of(summary), os.O_RDWR)
    except OSError:
        return False
    try:
        return not _try_lock(handle)
    finally:
        os.close(handle)
