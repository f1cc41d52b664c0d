"""From the scores of single images to a row of a table: means, bootstrap intervals, Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vmafsal.metrics.salient_object import ImageScores

__all__ = [
    "RESAMPLES",
    "SEED",
    "markdown_table",
    "model_labels",
    "per_image",
    "rounded",
    "summarise",
    "summarise_values",
    "table_of",
]

RESAMPLES = 2000
SEED = 42

_SCALARS = ("iou", "mae", "s_measure", "weighted_f", "adaptive_f", "adaptive_e", "mean_error")
_DIGITS = 6


def per_image(stem: str, scores: ImageScores) -> dict[str, Any]:
    """One image as a JSON object."""
    row: dict[str, Any] = {"stem": stem}
    for name in (*_SCALARS, "saliency_mean", "object_share"):
        row[name] = round(getattr(scores, name), _DIGITS)
    for size in scores.blocks:
        row[f"block_iou_{size}"] = round(scores.block_iou(size), _DIGITS)
    return row


def summarise(
    scores: Sequence[ImageScores], groups: Sequence[str] | None = None, seed: int = SEED
) -> dict[str, Any]:
    """Means over images with bootstrap 95 % intervals.

    F and E curves are averaged over images before their maximum and mean are taken. An interval
    is the 2.5th to 97.5th percentile of 2,000 resamples of the images with replacement.

    Args:
        scores: at least one.
        groups: of each image, where whole groups are to be resampled (frames of one sequence are
            no independent images); None resamples single images.
        seed: of the resampling; the same images give the same intervals.
    Returns:
        name to value, and `<name>_ci` to [low, high].
    """
    weights = _resample_weights(list(groups or map(str, range(len(scores)))), seed)
    f_curves = np.stack([score.f_curve for score in scores])
    e_curves = np.stack([score.e_curve for score in scores])
    result: dict[str, Any] = {"n": len(scores)}

    def add(name: str, value: float, resampled: NDArray[np.float64]) -> None:
        result[name] = round(float(value), _DIGITS)
        low, high = np.percentile(resampled, (2.5, 97.5))
        result[f"{name}_ci"] = [round(float(low), _DIGITS), round(float(high), _DIGITS)]

    def add_mean(name: str, values: NDArray[np.float64]) -> None:
        add(name, values.mean(), weights @ values)

    for name in _SCALARS:
        add_mean(name, np.array([getattr(score, name) for score in scores]))
    for letter, curves in (("f", f_curves), ("e", e_curves)):
        resampled = weights @ curves
        add(f"max_{letter}", curves.mean(axis=0).max(), resampled.max(axis=1))
        add(f"mean_{letter}", curves.mean(), resampled.mean(axis=1))
    for size in scores[0].blocks:
        add_mean(f"block_iou_{size}", np.array([score.block_iou(size) for score in scores]))
        counts = np.array([score.blocks[size] for score in scores], np.float64)
        micro = _ratio(counts.sum(axis=0)[None])[0]
        add(f"block_iou_{size}_micro", micro, _ratio(weights @ counts))
    for name in ("saliency_mean", "object_share"):
        values = [getattr(score, name) for score in scores]
        result[name] = round(float(np.mean(values)), _DIGITS)
    return result


def rounded(value: float) -> float | None:
    """A figure as results hold it; None for NaN, which JSON does not know."""
    return None if np.isnan(value) else round(float(value), _DIGITS)


def summarise_values(values: Mapping[str, Sequence[float]], seed: int = SEED) -> dict[str, Any]:
    """Mean, standard deviation over images and bootstrap 95 % interval of each metric.

    Args:
        values: of each metric, one an image, at least one; NaN where an image has none, which is
            left out of that metric.
        seed: of the resampling, which is that of summarise.
    Returns:
        `n`, and of each metric `<name>`, `<name>_std` (divisor n) and `<name>_ci`; None where no
        image has a value.
    """
    count = len(next(iter(values.values())))
    weights = _resample_weights(list(map(str, range(count))), seed)
    result: dict[str, Any] = {"n": count}
    for name, all_values in values.items():
        there = ~np.isnan(np.asarray(all_values, np.float64))
        known = np.asarray(all_values, np.float64)[there]
        if not len(known):
            result |= {name: None, f"{name}_std": None, f"{name}_ci": None}
            continue
        shares = weights[:, there]
        # A resample may hold none of the images that have a value.
        drawn = shares.sum(axis=1)
        resampled = (shares @ known)[drawn > 0] / drawn[drawn > 0]
        result[name] = rounded(known.mean())
        result[f"{name}_std"] = rounded(known.std())
        result[f"{name}_ci"] = [rounded(end) for end in np.percentile(resampled, (2.5, 97.5))]
    return result


def _ratio(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    intersection, union = counts.T
    return np.where(union > 0, intersection / np.where(union > 0, union, 1.0), 1.0)


def _resample_weights(groups: list[str], seed: int) -> NDArray[np.float64]:
    """[resamples, images]: the weight of each image in each resample; rows sum to 1."""
    names, member = np.unique(groups, return_inverse=True)
    chosen = np.random.default_rng(seed).integers(0, len(names), (RESAMPLES, len(names)))
    counts = np.zeros((RESAMPLES, len(names)))
    np.add.at(counts, (np.arange(RESAMPLES)[:, None], chosen), 1.0)
    weights = counts[:, member]
    result: NDArray[np.float64] = weights / weights.sum(axis=1, keepdims=True)
    return result


_COLUMNS = (
    ("IoU", "iou"),
    ("MAE", "mae"),
    ("max F", "max_f"),
    ("mean F", "mean_f"),
    ("S", "s_measure"),
    ("max E", "max_e"),
    ("wF", "weighted_f"),
    ("mean error", "mean_error"),
)


def model_labels(rows: Sequence[dict[str, Any]]) -> list[str]:
    """A name for each row's model: its id, with the start of its sha256 where two share an id.

    Args:
        rows: each with `model` and `sha256`.
    """
    known: dict[str, set[str | None]] = {}
    for row in rows:
        known.setdefault(row["model"], set()).add(row["sha256"])
    return [
        f"{row['model']} {row['sha256'][:8]}" if len(known[row["model"]]) > 1 else row["model"]
        for row in rows
    ]


def markdown_table(rows: Sequence[dict[str, Any]]) -> str:
    """A Markdown table, one line a result; IoU, MAE and mean error with their intervals.

    Args:
        rows: what summarise returned, each with `model`, `sha256`, `data` and `short_side` added.
    """
    blocks = sorted(
        int(key.removeprefix("block_iou_"))
        for key in rows[0]
        if key.startswith("block_iou_") and key.removeprefix("block_iou_").isdigit()
    )
    columns = (*_COLUMNS, *((f"IoU {size}²", f"block_iou_{size}") for size in blocks))
    return table_of(rows, columns, ("iou", "mae", "mean_error"))


def table_of(
    rows: Sequence[dict[str, Any]],
    columns: Sequence[tuple[str, str]],
    with_interval: Sequence[str],
    with_deviation: Sequence[str] = (),
) -> str:
    """A Markdown table, one line a result.

    Args:
        rows: as markdown_table takes them.
        columns: heading and key of each figure.
        with_interval: keys that are shown with their interval.
        with_deviation: keys that are shown with their standard deviation.
    """
    titles = ["data", "n", "model", "short side", *(title for title, _ in columns)]
    lines = [
        "| " + " | ".join(titles) + " |",
        "|" + "---|" * 4 + "---:|" * len(columns),
    ]
    for row, label in zip(rows, model_labels(rows), strict=True):
        cells = [row["data"], f"{row['n']:,}", label, str(row["short_side"])]
        for _, key in columns:
            if row[key] is None:
                cells.append("–")
                continue
            cell = f"{row[key]:.3f}"
            if key in with_deviation:
                cell += f" ± {row[f'{key}_std']:.3f}"
            if key in with_interval:
                low, high = row[f"{key}_ci"]
                cell += f" [{low:.3f}, {high:.3f}]"
            cells.append(cell)
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"
