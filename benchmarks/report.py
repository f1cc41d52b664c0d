"""Reports of measurements, as JSON and as Markdown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

__all__ = ["BOUND_BAR", "MEMORY_BAR_MIB", "RATIO_BAR", "Column", "table", "to_markdown"]

RATIO_BAR = 1.10
"""End to end less start-up, with a student at 1080p, takes at most so many times the floor."""

BOUND_BAR = 0.90
"""End to end less start-up, a student at 1080p reaches at least this share of the bound."""

MEMORY_BAR_MIB = 1024
"""A long raw clip of 2160p, scored with the placeholder, stays below this."""

Row = dict[str, Any]
Column = tuple[str, Callable[[Row], str]]

_CASE: list[Column] = [
    ("size", lambda row: row["size"]),
    ("model", lambda row: row["model"]),
    ("input", lambda row: {"yuv": "raw YUV", "mp4": "H.264 MP4"}[row["input"]]),
]

_END_TO_END: list[Column] = [
    *_CASE,
    ("frames", lambda row: str(row["frames"])),
    ("fps", lambda row: f"{1 / row['frame_seconds']:.2f}"),
    ("ms a frame", lambda row: _ms(row["frame_seconds"])),
    ("floor", lambda row: _ms(row["stages"]["inference"]["seconds"])),
    ("ratio", lambda row: f"{row['ratio']:.3f}"),
    ("bound", lambda row: _ms(row["bound_seconds"])),
    ("of bound", lambda row: f"{row['of_bound']:.2f}"),
    ("start-up s", lambda row: f"{row['startup_seconds']:.2f}"),
    ("peak MiB", lambda row: f"{row['peak_mib']:.0f}"),
    ("spread", lambda row: f"{row['seconds_median'] / row['seconds'] - 1:.0%}"),
]

_STAGES: list[Column] = [
    *_CASE,
    ("read", lambda row: _ms(row["stages"]["read"]["seconds"])),
    ("resample", lambda row: _ms(row["stages"]["resample"]["seconds"])),
    ("colour", lambda row: _ms(row["stages"]["colour"]["seconds"])),
    ("inference", lambda row: _ms(row["stages"]["inference"]["seconds"])),
    ("features", lambda row: _ms(row["stages"]["features"]["seconds"])),
    ("decode %", lambda row: _percent(row["share"]["decode"])),
    ("colour %", lambda row: _percent(row["share"]["colour"])),
    ("inference %", lambda row: _percent(row["share"]["inference"])),
    ("rest %", lambda row: _percent(row["share"]["rest"])),
    ("GFLOP", lambda row: f"{row['flops'] / 1e9:.3g}"),
    ("of peak", lambda row: f"{row['share_of_peak']:.0%}"),
]


def to_markdown(report: Row) -> str:
    """The report as Markdown: the machine, end to end, the stages, the bars.

    Args:
        report: what `python -m benchmarks` writes as JSON.
    """
    machine = report["machine"]
    versions = ", ".join(f"{name} {text}" for name, text in machine["versions"].items())
    before, after = report["load"]
    peak = ", ".join(f"{rate:.0f} ({name})" for name, rate in report["peak_gflops"].items())
    parts = [
        f"# {machine['processor']}, {machine['cores']} cores\n",
        f"Commit {report['commit']}, {report['date']}. {machine['memory_gib']} GiB of memory, "
        f"{machine['system']}, Python {machine['python']}, {versions}.",
        f"Measured fp32 matrix peak: {peak} GFLOP/s. Load average before and after: "
        f"{before:.2f}, {after:.2f}. Best of {report['rounds']} rounds.\n",
        "## End to end\n",
        "The `vmafsal` command from start to end, less start-up; the floor is ONNX Runtime alone "
        "on ready tensors. Times in milliseconds.\n",
        table(_END_TO_END, report["rows"]),
        "## Where the time goes\n",
        "Each stage alone, in milliseconds a frame; then shares of the processor time of a whole "
        "run less start-up.\n",
        table(_STAGES, report["rows"]),
        *_bars(report),
    ]
    return "\n".join(parts)


def _bars(report: Row) -> list[str]:
    lines = [
        f"- {row['model']} at 1080p from {row['input']}, {row['frames']} frames: "
        f"{row['ratio']:.3f} times ONNX Runtime alone, or {row['scoring_ratio']:.3f} by the log's "
        f"own clock; the bar is {RATIO_BAR:.2f}."
        for row in report["rows"]
        if row["size"] == "1920x1080" and row["model"] in ("v1", "v2")
    ]
    lines += [
        f"- {row['model']} ({row['short_side']}) at 1080p from {row['input']}, {row['frames']} "
        f"frames: {row['of_bound']:.2f} of the bound; the bar is {BOUND_BAR:.2f}."
        for row in report["rows"]
        if row["size"] == "1920x1080"
        and (row["model"] == "v2" or row.get("short_side", "native") != "native")
    ]
    if memory := report.get("memory"):
        lines.append(
            f"- {memory['frames']} frames of raw {memory['size']} with {memory['model_id']}: "
            f"{memory['peak_mib']:.0f} MiB at the most, {memory['fps']:.2f} fps; "
            f"the bar is {MEMORY_BAR_MIB} MiB."
        )
    return ["## Bars\n", *lines, ""] if lines else []


def table(columns: Sequence[Column], rows: Sequence[Row]) -> str:
    """A Markdown table: a heading and what to write of a row, for each column."""
    lines = [
        [name for name, _ in columns],
        *([cell(row) for _, cell in columns] for row in rows),
    ]
    widths = [max(len(line[place]) for line in lines) for place in range(len(columns))]
    text = [
        "| "
        + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        + " |"
        for line in lines
    ]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([text[0], rule, *text[1:]]) + "\n"


def _ms(seconds: float) -> str:
    return f"{1e3 * seconds:.2f}" if seconds < 0.1 else f"{1e3 * seconds:.0f}"


def _percent(share: float) -> str:
    return f"{100 * share:.0f}"
