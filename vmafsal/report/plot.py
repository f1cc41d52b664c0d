"""The curves of a log as a static picture: PNG or SVG, by matplotlib."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import PurePath
from typing import Any

import numpy as np

from vmafsal.errors import UsageError
from vmafsal.logs import Log
from vmafsal.report.curves import curves_of

__all__ = ["draw_plot"]


def draw_plot(
    log: Log,
    ending: str,
    *,
    title: str,
    seconds: dict[int, float] | None = None,
    cuts: Sequence[int] = (),
) -> bytes:
    """Draw the curves of a log, one axis a group of columns.

    Args:
        log: at least one frame.
        ending: ".png" or ".svg".
        title: above the plot.
        seconds: frameNum to its time, for the axis below; None labels it with frame numbers.
        cuts: first frames of scenes, drawn as vertical lines.
    Returns:
        the bytes of the picture.
    Raises:
        UsageError: if matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise UsageError(
            "A static plot needs matplotlib: pip install 'vmafsal[report]', or choose an output "
            "that ends in .html."
        ) from None
    curves = [curve for curve in curves_of(log) if curve.group != "other"] or curves_of(log)
    groups = list(dict.fromkeys(curve.group for curve in curves))
    figure = Figure(figsize=(11, 1.2 + 2.1 * len(groups)), layout="constrained")
    figure.suptitle(PurePath(title).name, parse_math=False)
    axes: Any = np.atleast_1d(np.asarray(figure.subplots(len(groups), 1, sharex=True)))
    for axis, group in zip(axes, groups, strict=True):
        for curve in curves:
            if curve.group == group:
                axis.plot(curve.frames, curve.values, linewidth=1, label=curve.name)
        for cut in cuts:
            axis.axvline(cut, color="0.75", linewidth=0.8, zorder=0)
        axis.grid(alpha=0.25)
        axis.legend(loc="upper left", fontsize="small", ncols=4)
    if seconds:
        axes[-1].set_xlabel("seconds")
        axes[-1].xaxis.set_major_formatter(lambda place, _: _clock(place, seconds))
    else:
        axes[-1].set_xlabel("frame")
    buffer = io.BytesIO()
    figure.savefig(buffer, format=ending.removeprefix("."), dpi=110)
    return buffer.getvalue()


def _clock(place: float, seconds: dict[int, float]) -> str:
    """The time of a tick, which may lie between frames or outside of them."""
    frames = sorted(seconds)
    return f"{float(np.interp(place, frames, [seconds[frame] for frame in frames])):.1f}"
