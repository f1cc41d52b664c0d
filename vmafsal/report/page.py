"""One HTML page that needs nothing beside it: curves, tables, and pictures of chosen frames.

The curves are drawn by plotly.js, which the page carries within it (about 5 MB): zoom, hover and
clicks are what people know from it, and drawing them ourselves would be a module to keep.
"""

from __future__ import annotations

import base64
import html
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import PurePath
from typing import Any

import numpy as np

from vmafsal.errors import UsageError
from vmafsal.logs import Log, NumberFormat
from vmafsal.logs.stats import correlations
from vmafsal.report.curves import Curve, Moment, curves_of, saliency_column

__all__ = ["Shown", "build_page", "figure"]

_COLORS = ("#1f6feb", "#d1495b", "#2e8b57", "#b8860b", "#7b4fb3", "#0a8a9f", "#8a6d5b", "#5b6675")
_BINS = 40


@dataclass(frozen=True, slots=True)
class Shown:
    """The pictures of one chosen frame."""

    moment: Moment
    pictures: Mapping[str, bytes]
    """Label ("distorted", "map", ...) to the bytes of a JPEG or PNG file."""


def build_page(
    log: Log,
    *,
    title: str,
    sources: Sequence[str],
    shown: Sequence[Shown] = (),
    seconds: Mapping[int, float] | None = None,
    cuts: Sequence[int] = (),
) -> str:
    """The whole page.

    Args:
        log: the joined log; at least one frame.
        title: the name of the video or of the first log.
        sources: names of the logs that were joined.
        shown: pictures of chosen frames.
        seconds: frameNum to its time; None where no log knows it.
        cuts: first frames of scenes, drawn as vertical lines.
    Returns:
        HTML that makes no request.
    Raises:
        UsageError: if plotly is not installed.
    """
    try:
        from plotly.offline import get_plotlyjs
    except ImportError:
        raise UsageError("An HTML report needs plotly: pip install 'vmafsal[report]'.") from None
    curves = curves_of(log)
    data = {
        "curves": figure(curves, seconds, cuts),
        "histogram": _histogram(log),
        "frames": [entry.moment.frame for entry in shown],
    }
    template = files("vmafsal.report").joinpath("page.html").read_text("utf-8")
    parts = {
        "title": html.escape(PurePath(title).name),
        "facts": _facts(log, sources),
        "pooled": _pooled_table(log, [curve.name for curve in curves]),
        "correlations": _correlation_table(log),
        "frames": _frames(shown, seconds),
        # No text may open or close an element inside of the script element.
        "data": json.dumps(data, allow_nan=False).replace("<", "\\u003c"),
        "plotly": get_plotlyjs(),
    }
    # At once, so that a name that looks like a place of the template stays as it is.
    return re.sub(r"\{\{(\w+)\}\}", lambda place: parts[place[1]], template)


def figure(
    curves: Sequence[Curve], seconds: Mapping[int, float] | None = None, cuts: Sequence[int] = ()
) -> dict[str, Any]:
    """Curves for Plotly: one axis a group of columns, one below the other.

    Args:
        curves: at least one.
        seconds: frameNum to its time, for the axis below; None labels it with frame numbers.
        cuts: first frames of scenes, drawn as vertical lines.
    Returns:
        "traces" and "layout", as Plotly.newPlot takes them.
    """
    groups = list(dict.fromkeys(curve.group for curve in curves))
    traces: list[dict[str, Any]] = []
    for place, curve in enumerate(curves):
        row = groups.index(curve.group) + 1
        trace: dict[str, Any] = {
            "type": "scatter",
            "mode": "lines" if len(curve.frames) > 1 else "markers",
            "name": curve.name,
            "x": curve.frames.tolist(),
            # JSON has no infinity, which PSNR of equal pictures is in some logs.
            "y": [value if math.isfinite(value) else None for value in curve.values.tolist()],
            "yaxis": "y" if row == 1 else f"y{row}",
            "line": {"width": 1.4, "color": _COLORS[place % len(_COLORS)]},
            "hovertemplate": "%{y:.6g}<extra>%{fullData.name}</extra>",
            # Columns of no known family can be many: drawn on demand.
            "visible": "legendonly" if curve.group == "other" and len(groups) > 1 else True,
        }
        traces.append(trace)
    layout: dict[str, Any] = {
        "height": 110 + 190 * len(groups),
        "margin": {"l": 60, "r": 20, "t": 20, "b": 50},
        "hovermode": "x",
        "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom"},
        "xaxis": {"title": {"text": "frame"}, "anchor": f"y{len(groups)}" if groups[1:] else "y"},
        "shapes": [
            {
                "type": "line",
                "x0": cut,
                "x1": cut,
                "y0": 0,
                "y1": 1,
                "yref": "paper",
                "line": {"color": "#bbbbbb", "width": 1},
            }
            for cut in cuts
        ],
    }
    gap = 0.04
    high = (1 + gap) / len(groups) - gap
    for row, group in enumerate(groups):
        top = 1 - row * (high + gap)
        layout["yaxis" if row == 0 else f"yaxis{row + 1}"] = {
            "domain": [max(0.0, top - high), top],
            "title": {"text": group},
        }
    if seconds:
        layout["xaxis"] |= _time_ticks(seconds)
    return {"traces": traces, "layout": layout}


def _time_ticks(seconds: Mapping[int, float]) -> dict[str, Any]:
    """About ten ticks that name the frame and its time."""
    frames = sorted(seconds)
    places = np.unique(np.linspace(0, len(frames) - 1, 10).astype(int))
    return {
        "tickvals": [frames[place] for place in places],
        "ticktext": [f"{frames[place]}<br>{seconds[frames[place]]:.2f} s" for place in places],
        "title": {"text": "frame, time"},
    }


def _histogram(log: Log) -> dict[str, Any] | None:
    """How often each saliency occurs, for Plotly.newPlot; None without a saliency column."""
    name = saliency_column(log)
    values = np.array(log.column(name) if name else [], np.float64)
    values = values[np.isfinite(values)]
    if not len(values):
        return None
    counts, edges = np.histogram(values, bins=_BINS)
    return {
        "traces": [
            {
                "type": "bar",
                "x": ((edges[:-1] + edges[1:]) / 2).tolist(),
                "y": counts.tolist(),
                "width": np.diff(edges).tolist(),
                "marker": {"color": _COLORS[0]},
                "hovertemplate": "%{x:.4f}: %{y} frames<extra></extra>",
            }
        ],
        "layout": {
            "height": 260,
            "margin": {"l": 60, "r": 20, "t": 10, "b": 50},
            "bargap": 0,
            "xaxis": {"title": {"text": name}},
            "yaxis": {"title": {"text": "frames"}},
        },
    }


def _facts(log: Log, sources: Sequence[str]) -> str:
    """A short list of what was scored, and how."""
    facts = [("frames", f"{len(log.frames):,}")]
    if log.width and log.height:
        facts.append(("size", f"{log.width}x{log.height}"))
    facts.append(("logs", ", ".join(PurePath(name).name for name in sources)))
    for name, feature in _features(log).items():
        facts.append((name, str(feature.get("model", "?"))))
    return "".join(
        f"<dt>{html.escape(name)}</dt><dd>{html.escape(value)}</dd>" for name, value in facts
    )


def _features(log: Log) -> dict[str, dict[str, Any]]:
    """The provenance of each saliency column, from one log or from those that were joined."""
    own = log.vmafsal or {}
    join = own.get("join")
    joined = join.get("logs") if isinstance(join, dict) else None
    entries = [one for one in (joined if isinstance(joined, list) else []) if isinstance(one, dict)]
    parts = [own, *(one["vmafsal"] for one in entries if isinstance(one.get("vmafsal"), dict))]
    found: dict[str, dict[str, Any]] = {}
    for part in parts:
        features = part.get("features")
        for name, facts in (features if isinstance(features, dict) else {}).items():
            if isinstance(facts, dict):
                found.setdefault(str(name), facts)
    return found


def _pooled_table(log: Log, order: Sequence[str]) -> str:
    number = NumberFormat()
    pooled = log.pooled()
    rows = [
        [
            name,
            number.format(pooled[name]["min"]),
            number.format(pooled[name]["max"]),
            number.format(pooled[name]["mean"]),
            number.format(pooled[name]["harmonic_mean"]),
        ]
        for name in order
    ]
    return _table(["column", "min", "max", "mean", "harmonic mean"], rows)


def _correlation_table(log: Log) -> str:
    rows = [
        [
            pair.saliency,
            pair.other,
            _coefficient(pair.correlation.pearson),
            _coefficient(pair.correlation.spearman),
            f"{pair.correlation.n:,}",
        ]
        for pair in correlations(log)
    ]
    if not rows:
        return "<p>There is no second column to correlate with.</p>"
    return _table(["saliency", "column", "Pearson", "Spearman", "frames"], rows)


def _coefficient(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f"<th>{html.escape(cell)}</th>" for cell in header)
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _frames(shown: Sequence[Shown], seconds: Mapping[int, float] | None) -> str:
    """The stored frames, each with its pictures."""
    cards = []
    for entry in shown:
        moment = entry.moment
        clock = f", {seconds[moment.frame]:.2f} s" if seconds and moment.frame in seconds else ""
        pictures = "".join(
            f'<figure><img alt="{html.escape(label)}" src="{_data_url(picture)}">'
            f"<figcaption>{html.escape(label)}</figcaption></figure>"
            for label, picture in entry.pictures.items()
        )
        cards.append(
            f'<section class="frame" id="frame-{moment.frame}" data-frame="{moment.frame}">'
            f"<h3>frame {moment.frame}{clock}: {html.escape(moment.why)} {moment.value:.4g}</h3>"
            f'<div class="pictures">{pictures}</div></section>'
        )
    return "".join(cards)


def _data_url(picture: bytes) -> str:
    kind = "png" if picture.startswith(b"\x89PNG") else "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(picture).decode('ascii')}"
