"""From the scores of single images to a row of a table: means, bootstrap intervals, Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vmafsal.metrics.salient_object import BLOCK_SIZES, ImageScores

__all__ = [
    "MAP_METRICS",
    "OBJECT_METRICS",
    "POINT_METRICS",
    "RESAMPLES",
    "SEED",
    "cell",
    "markdown_table",
    "model_labels",
    "per_image",
    "rounded",
    "summarise",
    "summarise_values",
]

RESAMPLES = 2000
SEED = 42

OBJECT_METRICS = {
    "iou": "IoU",
    "mae": "MAE",
    "max_f": "max F",
    "mean_f": "mean F",
    "s_measure": "S",
    "max_e": "max E",
    "weighted_f": "wF",
    "mean_error": "mean error",
    **{f"block_iou_{size}": f"IoU {size}²" for size in BLOCK_SIZES},
}
"""Of a map and a mask: key and heading, in the order of tables."""

MAP_METRICS = {"cc": "CC", "kl": "KL", "sim": "SIM"}
"""Of two maps; shown with their standard deviations."""

POINT_METRICS = {
    "nss": "NSS",
    "auc_judd": "AUC-Judd",
    "auc_borji": "AUC-Borji",
    "auc_shuffled": "shuffled AUC",
    "information_gain": "IG",
}
"""Of a map and fixations."""

_COLUMNS = {**OBJECT_METRICS, **MAP_METRICS, **POINT_METRICS}
_WITH_INTERVAL = ("iou", "mae", "mean_error", "cc", "nss")
"""Metrics that a table of results shows with their interval."""
_SCALARS = ("iou", "mae", "s_measure", "weighted_f", "adaptive_f", "adaptive_e", "mean_error")
_SHARES = ("saliency_mean", "object_share")


def per_image(stem: str, scores: ImageScores) -> dict[str, Any]:
    """One image as a JSON object."""
    row = {name: rounded(getattr(scores, name)) for name in (*_SCALARS, *_SHARES)}
    blocks = {f"block_iou_{size}": rounded(scores.block_iou(size)) for size in scores.blocks}
    return {"stem": stem, **row, **blocks}


def summarise(scores: Sequence[ImageScores], groups: Sequence[str] | None = None) -> dict[str, Any]:
    """Means over images with bootstrap 95 % intervals.

    F and E curves are averaged over images before their maximum and mean are taken. An interval
    is the 2.5th to 97.5th percentile of 2,000 resamples of the images with replacement.

    Args:
        scores: at least one.
        groups: of each image, where whole groups are to be resampled (frames of one sequence are
            no independent images); None resamples single images.
    Returns:
        name to value, and `<name>_ci` to [low, high].
    """
    weights = _resample_weights(groups or range(len(scores)))
    result: dict[str, Any] = {"n": len(scores)}

    def add(name: str, value: float, resampled: NDArray[np.float64]) -> None:
        result[name] = rounded(value)
        result[f"{name}_ci"] = _interval(resampled)

    def add_mean(name: str, values: Sequence[float]) -> None:
        add(name, float(np.mean(values)), weights @ np.array(values))

    for name in _SCALARS:
        add_mean(name, [getattr(score, name) for score in scores])
    for letter in ("f", "e"):
        curves = np.stack([getattr(score, f"{letter}_curve") for score in scores])
        resampled = weights @ curves
        add(f"max_{letter}", curves.mean(axis=0).max(), resampled.max(axis=1))
        add(f"mean_{letter}", curves.mean(), resampled.mean(axis=1))
    for size in scores[0].blocks:
        add_mean(f"block_iou_{size}", [score.block_iou(size) for score in scores])
        counts = np.array([score.blocks[size] for score in scores], np.float64)
        micro = _ratio(counts.sum(axis=0)[None])[0]
        add(f"block_iou_{size}_micro", micro, _ratio(weights @ counts))
    for name in _SHARES:
        result[name] = rounded(float(np.mean([getattr(score, name) for score in scores])))
    return result


def rounded(value: float) -> float | None:
    """A figure as results hold it; None for NaN, which JSON does not know."""
    return None if np.isnan(value) else round(float(value), 6)


def summarise_values(values: Mapping[str, Sequence[float]]) -> dict[str, Any]:
    """Mean, standard deviation over images and bootstrap 95 % interval of each metric.

    Args:
        values: of each metric, one an image, at least one; NaN where an image has none, which is
            left out of that metric.
    Returns:
        `n`, and of each metric `<name>`, `<name>_std` (divisor n) and `<name>_ci`; None where no
        image has a value.
    """
    count = len(next(iter(values.values())))
    weights = _resample_weights(range(count))
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
        result[f"{name}_ci"] = _interval(resampled)
    return result


def _interval(resampled: NDArray[np.float64]) -> list[float | None]:
    return [rounded(end) for end in np.percentile(resampled, (2.5, 97.5))]


def _ratio(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    intersection, union = counts.T
    return np.where(union > 0, intersection / np.where(union > 0, union, 1.0), 1.0)


def _resample_weights(groups: Sequence[Any]) -> NDArray[np.float64]:
    """[resamples, images]: the weight of each image in each resample; rows sum to 1."""
    names, member = np.unique([str(group) for group in groups], return_inverse=True)
    chosen = np.random.default_rng(SEED).integers(0, len(names), (RESAMPLES, len(names)))
    counts = np.zeros((RESAMPLES, len(names)))
    np.add.at(counts, (np.arange(RESAMPLES)[:, None], chosen), 1.0)
    weights = counts[:, member]
    result: NDArray[np.float64] = weights / weights.sum(axis=1, keepdims=True)
    return result


def model_labels(rows: Sequence[dict[str, Any]]) -> list[str]:
    """A name for each row's model: its id, with the start of its sha256 where two share an id.

    Args:
        rows: each with `model` and `sha256`.
    """
    files = {(row["model"], row["sha256"]) for row in rows}
    shared = [model for model, _ in files]
    return [
        row["model"] + (f" {row['sha256'][:8]}" if shared.count(row["model"]) > 1 else "")
        for row in rows
    ]


def cell(row: dict[str, Any], key: str, interval: bool = True) -> str:
    """A figure as tables show it, with the standard deviation of a map metric and the interval."""
    if row.get(key) is None:
        return "–"
    text = f"{row[key]:.3f}"
    if key in MAP_METRICS and f"{key}_std" in row:
        text += f" ± {row[f'{key}_std']:.3f}"
    if interval and f"{key}_ci" in row:
        low, high = row[f"{key}_ci"]
        text += f" [{low:.3f}, {high:.3f}]"
    return text


def markdown_table(rows: Sequence[dict[str, Any]]) -> str:
    """A Markdown table, one line a result; a column for each metric that the first one has.

    Args:
        rows: what summarise or summarise_values returned, each with `model`, `sha256`, `data` and
            `short_side` added.
    """
    keys = [key for key in _COLUMNS if key in rows[0]]
    titles = ["data", "n", "model", "short side", *(_COLUMNS[key] for key in keys)]
    lines = ["| " + " | ".join(titles) + " |", "|" + "---|" * 4 + "---:|" * len(keys)]
    for row, label in zip(rows, model_labels(rows), strict=True):
        cells = [row["data"], f"{row['n']:,}", label, str(row["short_side"])]
        cells += [cell(row, key, key in _WITH_INTERVAL) for key in keys]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"
