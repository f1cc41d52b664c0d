"""A contact sheet: the best, median and worst images with their masks and maps."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from train.data import Pair, read_rgb
from train.evaluate.predict import MapSource
from train.evaluate.scores import model_labels
from train.maps import read_mask

__all__ = ["choose_cases", "draw_sheet"]


def choose_cases(iou: Sequence[float], count: int = 4) -> dict[int, str]:
    """Which images to show.

    Args:
        iou: of each image.
        count: how many of each kind at most.
    Returns:
        position to "best", "median" or "worst", best first.
    """
    order = np.argsort(np.asarray(iou), kind="stable")[::-1].tolist()
    count = min(count, max(1, len(order) // 3))
    middle = (len(order) - count) // 2
    cases = dict.fromkeys(order[:count], "best")
    for position in order[middle : middle + count]:
        cases.setdefault(position, "median")
    for position in order[-count:]:
        cases.setdefault(position, "worst")
    return cases


def draw_sheet(
    sources: Sequence[MapSource],
    rows: Sequence[dict[str, Any]],
    sets: Mapping[str, Sequence[Pair]],
) -> bytes:
    """Draw image, mask and each source's map, a row a case; chosen by the first one's IoU.

    Args:
        sources, sets: what was evaluated, not empty.
        rows: the results of train.evaluate.sets.evaluate_sets.
    Returns:
        a PNG. Maps are gray from 0 (black) to 1 (white), unstretched; a border is middle gray.
    """
    cells: list[tuple[str, Any]] = []
    for name, pairs in sets.items():
        own = [row for row in rows if row["data"] == name]
        by_stem = {pair.stem: pair for pair in pairs}
        for position, kind in choose_cases([image["iou"] for image in own[0]["images"]]).items():
            pair = by_stem[own[0]["images"][position]["stem"]]
            assert pair.mask is not None
            rgb, (mask, valid) = read_rgb(pair.image), read_mask(pair.mask)
            shown = mask if valid is None else np.where(valid, mask, 0.5)
            cells += [(f"{kind}: {pair.stem}", rgb), ("mask", shown)]
            for source, row, label in zip(sources, own, model_labels(own), strict=True):
                image = row["images"][position]
                title = f"{label} {source.runs_at}\nIoU {image['iou']:.3f}"
                cells.append((f"{title}, mean error {image['mean_error']:.3f}", source(rgb)))
    columns = 2 + len(sources)
    rows_drawn = len(cells) // columns
    figure = Figure(figsize=(2.4 * columns, 2.0 * rows_drawn), layout="constrained")
    grid = figure.subplots(rows_drawn, columns, squeeze=False)
    for axes, (title, pixels) in zip(grid.flat, cells, strict=True):
        axes.imshow(pixels, cmap="gray", vmin=0, vmax=1)
        axes.set_title(title, fontsize=6)
        axes.set_axis_off()
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()
