"""The card of a trained student, filled from one JSON file into the template `card.md`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined

from train.data import KEEP_OUT
from train.evaluate.scores import MAP_METRICS, OBJECT_METRICS, POINT_METRICS, cell

__all__ = ["TRAINING", "card"]

TRAINING = ".training.json"
"""Ending of the file with everything that the card says."""
TEMPLATE = Path(__file__).with_name("card.md")
OBJECT_COLUMNS = ("iou", "mae", "max_f", "mean_error")
MAP_COLUMNS = ("cc", "kl", "sim")
POINT_COLUMNS = ("nss", "auc_judd", "auc_shuffled")


def card(facts: dict[str, Any]) -> str:
    """The card as Markdown.

    Args:
        facts: of `<id>.training.json`, see train/export.py; every figure comes from there.
    Raises:
        jinja2.TemplateError: if a fact is missing.
    """
    scores = facts["scores"]
    environment = Environment(
        trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True, undefined=StrictUndefined
    )
    text = environment.from_string(TEMPLATE.read_text("utf-8")).render(
        **facts,
        columns=_columns(scores),
        rows=list(_rows(scores, facts["others"])),
        unseen=sorted({row["data"] for row in scores} - {entry["name"] for entry in facts["data"]}),
        keep_out=KEEP_OUT,
        cell=cell,
    )
    # An empty part leaves blank lines, which mean nothing in Markdown.
    return re.sub(r"\n{3,}", "\n\n", text)


def _columns(scores: list[dict[str, Any]]) -> dict[str, str]:
    """Key and heading of each column that these scores fill."""
    keys: tuple[str, ...] = OBJECT_COLUMNS
    if any("cc" in row for row in scores):
        keys = MAP_COLUMNS + (POINT_COLUMNS if any("nss" in row for row in scores) else ())
    headings = {**OBJECT_METRICS, **MAP_METRICS, **POINT_METRICS}
    return {key: headings[key] for key in keys}


def _rows(
    scores: list[dict[str, Any]], others: list[dict[str, Any]]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Name and figures of each line: our scores, and after the first of each set other models'."""
    shown = set()
    for own in scores:
        yield "**this one**", own
        key = own["data"], own["kept_out"]
        for row in others if key not in shown else ():
            if (row["data"], row["kept_out"]) == key:
                digest = f" `{row['sha256'][:8]}`" if row["sha256"] else ""
                yield row["model"] + digest, row
        shown.add(key)
