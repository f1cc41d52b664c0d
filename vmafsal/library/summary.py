"""The summary of a run: JSON lines, one record a clip, and the same as a table in CSV."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

from vmafsal.errors import OutputError, UsageError
from vmafsal.files import check_destination, output_error, write_whole
from vmafsal.library.outputs import is_summary
from vmafsal.library.record import Record

try:
    import fcntl
except ImportError:  # Windows, where the summary is not locked
    fcntl = None  # type: ignore[assignment]

__all__ = ["Summary", "format_table", "read_records", "summary_name"]


def summary_name(shard: str | None) -> str:
    """The file name of a run's summary: "summary.jsonl", "summary-3-of-16.jsonl" for 3/16."""
    return f"summary-{shard.replace('/', '-of-')}.jsonl" if shard else "summary.jsonl"


class Summary:
    """The summary file of one run, locked while the run lasts.

    A record is appended in one write and is on the disk before the next clip is handed out. A
    later record of a clip replaces an earlier one: at the end the file is rewritten with the last
    of each, and a table of the same name is written beside it.
    """

    def __init__(self, folder: str, name: str = "summary.jsonl", outputs: Sequence[str] = ()):
        """
        Args:
            folder: the output folder; it is made where it is missing.
            name: of the file in it.
            outputs: of the clips of this run, so that the table has a row for each.
        Raises:
            OutputError: if it cannot be written there.
            UsageError: if another run writes to it.
        """
        self.path = Path(folder, name)
        self._folder = Path(folder)
        self._outputs = outputs
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            check_destination(str(self.path.with_suffix(".csv")))
            # A file of its own: the summary itself is replaced at the end.
            self._lock = os.open(_lock_path(self.path), os.O_RDWR | os.O_CREAT, 0o666)
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
                    os.write(handle, b"\n")  # ends a line that a crash cut off
        except OSError as error:
            raise output_error(str(self.path), error) from None
        return handle

    def append(self, record: Record) -> None:
        """Add a record.

        Raises:
            OutputError: if the disk is full.
        """
        line = record.to_line()
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

    def close(self) -> None:
        """Rewrite the file with one line a clip, write the table, and unlock it."""
        os.close(self._handle)
        try:
            own = [self.records[output] for output in sorted(self._own)]
            write_whole(self.path, b"".join(record.to_line() for record in own))
            # A run that is no shard has the clips of all shards in its table.
            listed = self.records if self.path.name == summary_name(None) else self._own
            rows = {output: self.records.get(output) for output in {*listed, *self._outputs}}
            write_whole(self.path.with_suffix(".csv"), format_table(rows))
        finally:
            os.close(self._lock)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def format_table(records: Mapping[str, Record | None]) -> str:
    """A table in CSV with a row for each clip, that spreadsheets open.

    Args:
        records: by output; None for a clip that was not reached.
    Returns:
        the columns output, distorted, status, frames, the mean of each column of the logs,
        seconds, error; in the order of the outputs.
    """
    rows = sorted(records.items())
    columns = dict.fromkeys(name for _, record in rows for name in _means(record))
    text = io.StringIO()
    table = csv.writer(text)
    table.writerow(["output", "distorted", "status", "frames", *columns, "seconds", "error"])
    for output, record in rows:
        if record is None:
            table.writerow([output, "", "not done", *[""] * (len(columns) + 3)])
            continue
        means = _means(record)
        table.writerow(
            [output, record.distorted, record.status, record.frames]
            + [means.get(column, "") for column in columns]
            + [record.seconds, record.error or ""]
        )
    # With a byte order mark, by which spreadsheets know UTF-8.
    return "\ufeff" + text.getvalue()


def _means(record: Record | None) -> dict[str, object]:
    pooled = record.pooled if record is not None else {}
    return {name: values.get("mean") for name, values in pooled.items()}


def read_records(folder: Path) -> dict[str, Record]:
    """The last record of every clip, from all summaries of a folder, by output.

    Lines that a crash cut off, or that another program wrote, are skipped.
    """
    paths = [path for path in folder.glob("*.jsonl") if is_summary(path.name)]
    paths.sort(key=lambda path: path.stat().st_mtime_ns)
    return {record.output: record for path in paths for record in _read(path)}


def _read(path: Path) -> Iterable[Record]:
    with suppress(FileNotFoundError), open(path, "rb") as file:
        for line in file:
            record = Record.from_line(line)
            if record is not None:
                yield record


def _lock_path(path: Path) -> Path:
    return path.with_name(f".{path.name}.lock")


def _lock(handle: int) -> bool:
    """Take the lock of a summary; False where another run holds it."""
    if fcntl is None:
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return True
    return True
