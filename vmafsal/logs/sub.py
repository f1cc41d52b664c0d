"""libvmaf's SUB: MicroDVD subtitles that show each frame's figures in a player."""

from __future__ import annotations

from vmafsal.logs.log import Log
from vmafsal.logs.number import NumberFormat

__all__ = ["format_sub"]


def format_sub(log: Log, number: NumberFormat) -> str:
    """The log as libvmaf prints it with --sub: one subtitle a frame.

    Args:
        log: what to write.
        number: how every number is printed.
    Returns:
        The whole file. NaN and infinity are "nan", "inf", "-inf".
    """
    lines = []
    for frame in log.frames:
        figures = "".join(
            f"{name}: {number.format(value)}|" for name, value in frame.metrics.items()
        )
        lines.append(f"{{{frame.index}}}{{{frame.index + 1}}}frame: {frame.index}|{figures}\n")
    return "".join(lines)
