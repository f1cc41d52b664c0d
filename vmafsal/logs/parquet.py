"""A log as a Parquet table, where pyarrow is installed."""

from __future__ import annotations

import importlib.util
import io
import json
import math
from typing import Any

from vmafsal.errors import InputError, OutputError
from vmafsal.features.frame import FrameFeatures
from vmafsal.logs.log import Log

__all__ = ["MAGIC", "check_parquet", "format_parquet", "parse_parquet"]

MAGIC = b"PAR1"
"""The first bytes of every Parquet file."""

_INSTALL = "Parquet needs pyarrow, which is not installed: pip install 'vmafsal[parquet]'"


def check_parquet() -> None:
    """Make sure that Parquet can be written.

    Raises:
        OutputError: if pyarrow is not installed.
    """
    if importlib.util.find_spec("pyarrow") is None:
        raise OutputError(f"{_INSTALL}, or write --tidy CSV.")


def format_parquet(log: Log) -> bytes:
    """The log as a Parquet file.

    Args:
        log: what to write.
    Returns:
        The file: frameNum as int64, pts_time where it is known and each feature as float64 with
        every digit, null where a frame has no finite value. The metadata holds the version and,
        as JSON under "vmafsal", the provenance.
    Raises:
        OutputError: if pyarrow is not installed.
    """
    check_parquet()
    import pyarrow
    import pyarrow.parquet

    columns = {"frameNum": pyarrow.array([frame.index for frame in log.frames], pyarrow.int64())}
    times = [frame.pts_time for frame in log.frames]
    if any(time is not None for time in times):
        columns["pts_time"] = pyarrow.array(times, pyarrow.float64())
    for name in log.feature_names:
        if name in columns:
            raise OutputError(
                f"A Parquet log cannot hold a column named '{name}': "
                "give it another name, or write JSON."
            )
        values = [frame.metrics.get(name, math.nan) for frame in log.frames]
        finite = [value if math.isfinite(value) else None for value in values]
        columns[name] = pyarrow.array(finite, pyarrow.float64())
    metadata = {"version": log.version, "vmafsal": json.dumps(log.vmafsal)}
    table = pyarrow.table(columns).replace_schema_metadata(metadata)
    file = io.BytesIO()
    pyarrow.parquet.write_table(table, file)
    return file.getvalue()


def parse_parquet(raw: bytes, name: str) -> Log:
    """Read a Parquet table that has a column frameNum, such as format_parquet writes.

    Args:
        raw: the whole file.
        name: what errors call it.
    Returns:
        The log; columns that hold no numbers are left out, and a null is no value.
    Raises:
        InputError: if pyarrow is not installed, or the file is damaged or has no frameNum.
    """
    if importlib.util.find_spec("pyarrow") is None:
        raise InputError(f"{name} is a Parquet file. {_INSTALL}.")
    import pyarrow
    import pyarrow.parquet

    try:
        table = pyarrow.parquet.read_table(io.BytesIO(raw))
        columns: dict[str, list[Any]] = {
            column: table[column].to_pylist()
            for column in dict.fromkeys(table.column_names)
            if pyarrow.types.is_floating(table[column].type)
            or pyarrow.types.is_integer(table[column].type)
        }
    except (pyarrow.ArrowException, KeyError, OSError, ValueError) as error:
        reason = str(error).split("\n")[0]
        raise InputError(f"{name} is a damaged Parquet file ({reason}): write it again.") from None
    numbers = columns.pop("frameNum", [None])
    if any(not isinstance(number, int) for number in numbers):
        raise InputError(f"{name} is a Parquet file without whole frameNum, and so no log.")
    times = columns.pop("pts_time", [None] * len(numbers))
    metadata = table.schema.metadata or {}
    try:
        provenance = json.loads(metadata.get(b"vmafsal", b"null"))
    except (ValueError, RecursionError):
        provenance = None
    return Log(
        version=metadata.get(b"version", b"").decode("utf-8", "replace"),
        fps=None,
        width=0,
        height=0,
        frames=[
            FrameFeatures(
                number,
                {
                    column: float(values[row])
                    for column, values in columns.items()
                    if values[row] is not None
                },
                pts_time=None if times[row] is None else float(times[row]),
            )
            for row, number in enumerate(numbers)
        ],
        vmafsal=provenance if isinstance(provenance, dict) else None,
    )
