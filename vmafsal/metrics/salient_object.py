"""Salient-object metrics of one map against one mask.

Everywhere: `saliency` is float [H, W] in [0, 1] as the model gave it, never stretched between its
own minimum and maximum; `mask` is bool [H, W], the object; `valid` is bool [H, W] or None where
every pixel counts. A pixel that is not valid (the border of a trimap) counts in no metric: not as
object, not as background, not in a mean, an area or a neighbourhood. The docstrings of the metrics
that use neighbourhoods say how they treat it.

Masks without an object: IoU is 1 where the map stays under the threshold too, F and weighted F are
0, S and E have their own rule (from their papers).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "BETA_SQUARED",
    "BLOCK_SIZES",
    "BinaryScores",
    "ImageScores",
    "adaptive_threshold",
    "binary_scores",
    "block_counts",
    "score_map",
    "structure_measure",
    "weighted_f",
]

Map = NDArray[np.floating[Any]]
Mask = NDArray[np.bool_]

BETA_SQUARED = 0.3  # Achanta et al., "Frequency-tuned salient region detection", CVPR 2009
LEVELS = 256
BLOCK_SIZES = (16, 64)
EPS = float(np.spacing(1.0))  # what MATLAB calls eps, which the published code of S, E and wF adds


@dataclass(frozen=True, slots=True)
class ImageScores:
    """Everything measured on one image."""

    iou: float
    """Of map >= 0.5 and object; 1 where both are empty."""
    mae: float
    """Mean of |map - mask|."""
    adaptive_f: float
    adaptive_e: float
    s_measure: float
    weighted_f: float
    saliency_mean: float
    """Mean of the map."""
    object_share: float
    """Share of object among the pixels."""
    blocks: dict[int, tuple[int, int]]
    """Block size in pixels to the counts (intersection, union) of salient blocks."""
    f_curve: NDArray[np.float64]
    """[256]: F where the pixels with floor(255 x) >= t are called salient, t = 0 .. 255."""
    e_curve: NDArray[np.float64]
    """[256]: E at the same thresholds."""

    @property
    def mean_error(self) -> float:
        """|saliency_mean - object_share|: the error of the number that a log holds."""
        return abs(self.saliency_mean - self.object_share)

    def block_iou(self, size: int) -> float:
        """IoU over blocks; 1 where neither map nor mask has a salient one."""
        intersection, union = self.blocks[size]
        return intersection / union if union else 1.0


def score_map(
    saliency: Map,
    mask: Mask,
    valid: Mask | None = None,
    block_sizes: tuple[int, ...] = BLOCK_SIZES,
) -> ImageScores:
    """Measure one map.

    Args:
        saliency: float [H, W] in [0, 1].
        mask: bool [H, W].
        valid: bool [H, W]; None where every pixel counts.
        block_sizes: in pixels of the mask.
    Returns:
        the scores.
    Raises:
        ValueError: if sizes differ, a value lies outside [0, 1] or is NaN, or no pixel is valid.
    """
    if saliency.shape != mask.shape or (valid is not None and valid.shape != mask.shape):
        raise ValueError(f"A map of {saliency.shape} cannot be measured on a {mask.shape} mask.")
    if valid is not None and not valid.any():
        raise ValueError("No pixel of this mask counts: all of it is border.")
    # Written so that a NaN fails it too.
    if not (saliency.min() >= 0.0 and saliency.max() <= 1.0):
        raise ValueError(
            f"A saliency map lies in [0, 1]; this one has values from {saliency.min():g} to "
            f"{saliency.max():g}."
        )
    saliency = saliency.astype(np.float64)
    counted, object_here = _valid_values(saliency, mask, valid)
    on = counted >= 0.5
    union = int(np.count_nonzero(on | object_here))
    threshold = adaptive_threshold(counted)
    above = counted >= threshold
    found = int(np.count_nonzero(above & object_here))
    share = float(object_here.mean())
    total, positives = counted.size, int(np.count_nonzero(object_here))
    spread = np.abs(counted - object_here)
    hits, claims = _cumulative(counted, object_here)
    return ImageScores(
        iou=float(np.count_nonzero(on & object_here) / union) if union else 1.0,
        mae=float(spread.mean()),
        adaptive_f=float(_f_beta(np.array(found), np.count_nonzero(above), positives)),
        adaptive_e=float(_e_measure(np.array(found), np.count_nonzero(above), positives, total)),
        s_measure=structure_measure(saliency, mask, valid),
        weighted_f=weighted_f(saliency, mask, valid),
        saliency_mean=float(counted.mean()),
        object_share=share,
        blocks={size: block_counts(saliency, mask, size, valid) for size in block_sizes},
        f_curve=_f_beta(hits, claims, positives),
        e_curve=_e_measure(hits, claims, positives, total),
    )


@dataclass(frozen=True, slots=True)
class BinaryScores:
    """How well the salient pixels are those of the object."""

    precision: float
    """Share of the salient pixels that are object; 0 where there is none."""
    recall: float
    """Share of the object that is salient; 0 where there is none."""
    f: float
    """(1 + b) P R / (b P + R), b = 0.3."""
    iou: float
    """1 where both are empty."""


def binary_scores(saliency: Map, mask: Mask, threshold: float = 0.5) -> BinaryScores:
    """Measure one map at one threshold.

    Args:
        saliency: float [H, W].
        mask: bool [H, W].
        threshold: a pixel from here up is salient.
    Raises:
        ValueError: if sizes differ.
    """
    if saliency.shape != mask.shape:
        raise ValueError(f"A map of {saliency.shape} cannot be measured on a {mask.shape} mask.")
    salient = saliency >= threshold
    hits, claims, positives = (int(np.count_nonzero(x)) for x in (salient & mask, salient, mask))
    union = claims + positives - hits
    return BinaryScores(
        precision=hits / max(claims, 1),
        recall=hits / max(positives, 1),
        f=float(_f_beta(np.array(hits), claims, positives)),
        iou=hits / union if union else 1.0,
    )


def adaptive_threshold(saliency: Map) -> float:
    """Twice the mean of the map, at most 1 (Achanta et al. 2009).

    Args:
        saliency: the valid pixels of a map, any shape.
    """
    return min(2.0 * float(saliency.mean(dtype=np.float64)), 1.0)


def structure_measure(saliency: Map, mask: Mask, valid: Mask | None = None) -> float:
    """S-measure with alpha 0.5: half object-aware, half region-aware structural similarity.

    The four regions meet at the centroid of the valid object pixels; their weights are their
    shares of the valid pixels, and one without valid pixels has none.

    Source: Fan et al., "Structure-measure: A New Way to Evaluate Foreground Maps", ICCV 2017.
    """
    counted, object_here = _valid_values(saliency, mask, valid)
    share = float(object_here.mean())
    if share in (0.0, 1.0):
        mean = float(counted.mean(dtype=np.float64))
        return mean if share else 1.0 - mean
    by_object = share * _object_likeness(counted[object_here])
    by_object += (1.0 - share) * _object_likeness(1.0 - counted[~object_here])
    present = mask if valid is None else mask & valid
    # + 1: the published MATLAB code counts from one and its ranges include the centroid's row.
    row, column = (int(np.round(where.mean())) + 1 for where in np.nonzero(present))
    by_region = 0.0
    for rows in (slice(0, row), slice(row, None)):
        for columns in (slice(0, column), slice(column, None)):
            block = (rows, columns)
            x, y = _valid_values(
                saliency[block], mask[block], None if valid is None else valid[block]
            )
            if x.size:
                by_region += x.size / counted.size * _region_likeness(x, y)
    return max(0.0, 0.5 * by_object + 0.5 * by_region)


def weighted_f(saliency: Map, mask: Mask, valid: Mask | None = None) -> float:
    """Weighted F-measure with beta 1; 0 for a mask without an object.

    A pixel that is not valid is no foreground, so the smoothing takes the error of its nearest
    foreground pixel for it, as it does for background; it is then left out of every sum.

    Source: Margolin, Zelnik-Manor, Tal, "How to Evaluate Foreground Maps?", CVPR 2014.
    """
    from scipy.ndimage import correlate1d, distance_transform_edt

    present = mask if valid is None else mask & valid
    absent = ~present if valid is None else ~mask & valid
    if not present.any():
        return 0.0
    distance, (rows, columns) = distance_transform_edt(~present, return_indices=True)
    error = np.abs(saliency.astype(np.float64) - mask)
    nearest = error[rows, columns]  # of a foreground pixel, the pixel itself
    offsets = np.arange(-3, 4)
    kernel = np.exp(-(offsets**2) / (2.0 * 5.0**2))  # 7 taps, sigma 5: the paper's 7x7 is its outer
    kernel /= kernel.sum()
    smooth = correlate1d(nearest, kernel, axis=0, mode="constant")
    smooth = correlate1d(smooth, kernel, axis=1, mode="constant")
    on_object = np.minimum(error, smooth)[present]
    importance = 2.0 - np.exp(np.log(0.5) / 5.0 * distance[absent])
    true_positive = on_object.size - on_object.sum()
    false_positive = (error[absent] * importance).sum()
    recall = 1.0 - on_object.mean()
    precision = true_positive / (true_positive + false_positive + EPS)
    return float(2.0 * recall * precision / (recall + precision + EPS))


def block_counts(
    saliency: Map, mask: Mask, size: int, valid: Mask | None = None
) -> tuple[int, int]:
    """Salient blocks of map and mask: a block is salient where its mean is at least 0.5.

    Blocks start at the top left; partial ones at the right and bottom edge are included. The mean
    is over the block's valid pixels; a block without any is left out.

    Args:
        size: side of a block in pixels.
    Returns:
        (intersection, union) as counts of blocks.
    """
    weight = np.ones(mask.shape) if valid is None else valid.astype(np.float64)
    counts = _block_sums(weight, size)
    halves = 0.5 * counts
    # float64 sums of exact 0.5s are exact, so a mean of just 0.5 counts, as it should.
    in_map = (_block_sums(saliency.astype(np.float64) * weight, size) >= halves) & (counts > 0)
    in_mask = (_block_sums(mask * weight, size) >= halves) & (counts > 0)
    return int(np.count_nonzero(in_map & in_mask)), int(np.count_nonzero(in_map | in_mask))


def _block_sums(plane: NDArray[np.float64], size: int) -> NDArray[np.float64]:
    by_row = np.add.reduceat(plane, np.arange(0, plane.shape[0], size), axis=0)
    sums: NDArray[np.float64] = np.add.reduceat(by_row, np.arange(0, plane.shape[1], size), axis=1)
    return sums


def _valid_values(
    saliency: Map, mask: Mask, valid: Mask | None
) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Both pictures' pixels that count, flat."""
    if valid is None:
        return saliency.ravel(), mask.ravel()
    return saliency[valid], mask[valid]


def _cumulative(
    counted: NDArray[Any], object_here: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """[256] each: object pixels, and all pixels, whose 8-bit value is at least t."""
    # Truncated, not rounded: the convention of the field's evaluation code, and float64 first so
    # that k/255 lands on k.
    levels = (counted.astype(np.float64) * 255.0).astype(np.uint8)
    hits = np.bincount(levels[object_here], minlength=LEVELS)[::-1].cumsum()[::-1]
    claims = np.bincount(levels, minlength=LEVELS)[::-1].cumsum()[::-1]
    return hits, claims


def _f_beta(hits: NDArray[Any], claims: Any, positives: int) -> NDArray[np.float64]:
    """F = (1 + b) P R / (b P + R), b = 0.3, from counts; 0 where nothing is hit."""
    precision = hits / np.maximum(claims, 1)
    recall = hits / max(positives, 1)
    denominator = np.where(hits > 0, BETA_SQUARED * precision + recall, 1.0)
    result: NDArray[np.float64] = (1.0 + BETA_SQUARED) * precision * recall / denominator
    return result


def _e_measure(hits: NDArray[Any], claims: Any, positives: int, total: int) -> NDArray[np.float64]:
    """Enhanced-alignment measure from counts.

    Both pictures are binary, so a pixel has one of four values: counting the four replaces a pass
    over the picture for each threshold.

    Source: Fan et al., "Enhanced-alignment Measure for Binary Foreground Map Evaluation", 2018.
    """
    claims = np.asarray(claims)
    if positives == 0:
        aligned = (total - claims).astype(np.float64)
    elif positives == total:
        aligned = claims.astype(np.float64)
    else:
        map_mean, mask_mean = claims / total, positives / total
        aligned = np.zeros(hits.shape)
        for in_map, in_mask, count in (
            (1, 1, hits),
            (1, 0, claims - hits),
            (0, 1, positives - hits),
            (0, 0, total - claims - positives + hits),
        ):
            a, b = in_map - map_mean, in_mask - mask_mean
            alignment = 2.0 * a * b / (a * a + b * b + EPS)
            aligned = aligned + count * (alignment + 1.0) ** 2 / 4.0
    result: NDArray[np.float64] = aligned / max(total - 1, 1)
    return result


def _object_likeness(values: NDArray[Any]) -> float:
    mean = float(values.mean(dtype=np.float64))
    deviation = float(values.std(ddof=1, dtype=np.float64)) if values.size > 1 else 0.0
    return 2.0 * mean / (mean * mean + 1.0 + deviation + EPS)


def _region_likeness(x: NDArray[Any], y: NDArray[np.bool_]) -> float:
    mean_x, mean_y = float(x.mean(dtype=np.float64)), float(y.mean())
    dx, dy = x - mean_x, y - mean_y
    rest = max(x.size - 1, 1)
    numerator = 4.0 * mean_x * mean_y * float((dx * dy).sum()) / rest
    spread = float((dx * dx).sum() + (dy * dy).sum()) / rest
    denominator = (mean_x * mean_x + mean_y * mean_y) * spread
    if numerator:
        return numerator / (denominator + EPS)
    return 0.0 if denominator else 1.0
