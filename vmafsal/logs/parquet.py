"""A log as a Parquet table, where pyarrow is installed."""

from __future__ import annotations

import importlib.util
import io
import json

from vmafsal.errors import OutputError
from vmafsal.logs.log import Log

__all__ = ["check_parquet", "format_parquet"]


def check_parquet() -> None:
    """Make sure that Parquet can be written.

    Raises:
        OutputError: if pyarrow is not installed.
    """
    if importlib.util.find_spec("pyarrow") is None:
        raise OutputError(
            "Parquet needs pyarrow, which is not installed: pip install 'vmafsal[parquet]', "
            "or write --format tidy."
        )


def format_parquet(log: Log) -> bytes:
    """The log as a Parquet file.

    Args:
        log: what to write.
    Returns:
        The file: frameNum as int64, each feature as float64 with every digit, null where a frame
        has no value. version, and the provenance as JSON under "vmafsal", are in its metadata.
    Raises:
        OutputError: if pyarrow is not installed.
    """
    check_parquet()
    import pyarrow
    import pyarrow.parquet

    columns = {"frameNum": pyarrow.array([frame.index for frame in log.frames], pyarrow.int64())}
    for name in log.feature_names:
        values = [frame.metrics.get(name) for frame in log.frames]
        columns[name] = pyarrow.array(values, pyarrow.float64())
    metadata = {"version": log.version, "vmafsal": json.dumps(log.vmafsal)}
    table = pyarrow.table(columns).replace_schema_metadata(metadata)
    file = io.BytesIO()
    pyarrow.parquet.write_table(table, file)
    return file.getvalue()
