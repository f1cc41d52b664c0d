"""libvmaf's CSV, and the tidy one without its trailing comma."""

from __future__ import annotations

from vmafsal.logs.log import Log
from vmafsal.logs.number import NumberFormat

__all__ = ["format_csv"]


def format_csv(log: Log, number: NumberFormat, tidy: bool = False) -> str:
    """The log as libvmaf prints it with --csv: a row a frame, a comma after every cell.

    Args:
        log: what to write.
        number: how every number is printed.
        tidy: leave out the comma at the end of each line, which most readers of CSV take for one
            more column without a name.
    Returns:
        The whole file, closed by a newline. NaN and infinity are "nan", "inf", "-inf"; a frame
        without a value has an empty cell, so that the columns never shift.
    """
    names = log.feature_names
    end = "\n" if tidy else ",\n"
    rows = [",".join(["Frame", *names])]
    for frame in log.frames:
        cells = [
            number.format(frame.metrics[name]) if name in frame.metrics else "" for name in names
        ]
        rows.append(",".join([str(frame.index), *cells]))
    return end.join(rows) + end
