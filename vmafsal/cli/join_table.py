"""What vmafsal join prints: correlations, quality of the salient frames, and the closing line."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vmafsal.cli.output import printed

if TYPE_CHECKING:
    from rich.table import Table

    from vmafsal.logs import Log
    from vmafsal.logs.stats import Pair

__all__ = ["print_join"]

_FAMILIES = ("vmaf", "psnr", "ssim", "cambi")
"""Columns that the table shows, in this order; the others need --all."""


def print_join(log: Log, count: int, output: str | None, show_all: bool) -> None:
    """Print what a join amounts to.

    Args:
        log: the joined one.
        count: how many logs were joined.
        output: where the log was written; None for nowhere. Where it went to standard output,
            everything is printed to standard error.
        show_all: show all columns, not only those of the main families.
    """
    from rich.text import Text

    from vmafsal.logs.stats import correlations, salient_quarters

    pairs = correlations(log)
    shown = pairs if show_all else _main_pairs(pairs)
    lines = []
    if not pairs:
        lines.append("No column's name begins with saliency_mean: nothing to correlate.")
    if len(shown) < len(pairs):
        left_out = len(pairs) - len(shown)
        lines.append(f"{left_out} more row{'s' if left_out > 1 else ''} with --all.")
    lines += [
        f"Mean of {quarter.column} over the most salient quarter of the frames "
        f"({quarter.frames} of {quarter.total}, by {quarter.saliency}): {quarter.mean:.4f}; "
        f"over all: {quarter.mean_of_all:.4f}."
        for quarter in salient_quarters(log)
    ]
    place = f"{output}: " if output not in (None, "-") else ""
    frames, columns = len(log.frames), len(log.feature_names)
    lines.append(
        f"{place}{frames} frame{'s' if frames != 1 else ''}, {columns} "
        f"column{'s' if columns != 1 else ''}, {count} logs."
    )
    with printed(stderr=output in ("-", "/dev/stdout")) as console:
        if pairs:
            console.print(_table(shown, none="-" if console.options.ascii_only else "–"))
        for line in lines:
            console.print(Text(line), soft_wrap=True)


def _main_pairs(pairs: list[Pair]) -> list[Pair]:
    """The pairs with a column of the main families, those first; all pairs if there is none."""
    shown = [
        pair
        for family in _FAMILIES
        for pair in pairs
        if re.match(rf"(float_|integer_|ms_)*{family}", pair.other)
    ]
    return shown or pairs


def _table(pairs: list[Pair], none: str) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table()
    for heading in ("saliency", "column"):
        table.add_column(heading, overflow="fold")
    for heading in ("Pearson", "Spearman", "n"):
        table.add_column(heading, justify="right", no_wrap=True)
    for pair in pairs:
        pearson, spearman, n = pair.correlation
        table.add_row(
            Text(pair.saliency),
            Text(pair.other),
            *(none if value is None else f"{value:.4f}" for value in (pearson, spearman)),
            str(n),
        )
    return table
