"""How well a saliency map predicts where people look: eye-fixation metrics of one picture.

Everywhere: `saliency` is float [H, W] in any unit, the larger the more salient; `density` is float
[H, W], a smoothed map of fixations; `fixations` is int [N, 2], row and column of each fixation.
Definitions follow Bylinskii, Judd, Oliva, Torralba, Durand, "What Do Different Evaluation Metrics
Tell Us About Saliency Models?" (TPAMI 2019), unless a docstring names another source.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "auc_borji",
    "auc_judd",
    "correlation",
    "distribution",
    "information_gain",
    "kl_divergence",
    "nss",
    "shuffled_auc",
    "similarity",
]

_EPSILON = 1e-20
"""Added to each pixel of both maps before the divergence, so that a zero has a logarithm.
Source: pysaliency's image-based KL."""

Map = NDArray[np.floating]
Points = NDArray[np.integer]


def distribution(values: Map, floor: float = 0.0) -> NDArray[np.float64]:
    """A map as a probability distribution over its pixels.

    Args:
        values: float [H, W]; a negative minimum is subtracted first.
        floor: added to each pixel before the division by the sum.
    Returns:
        float64 [H, W] of sum 1; uniform where the map is zero everywhere.
    """
    shifted = np.asarray(values, np.float64)
    shifted = shifted - min(0.0, float(shifted.min())) + floor
    total = float(shifted.sum())
    if total <= 0.0:
        return np.full(shifted.shape, 1.0 / shifted.size)
    return shifted / total


def correlation(saliency: Map, density: Map) -> float:
    """CC: Pearson's linear correlation of two maps, in [-1, 1].

    Returns:
        0 where either map is constant.
    """
    x, y = (np.asarray(one, np.float64) - float(np.mean(one)) for one in (saliency, density))
    scale = float(np.sqrt((x * x).sum() * (y * y).sum()))
    # A constant map leaves rounding errors instead of zeros.
    if np.ptp(saliency) == 0 or np.ptp(density) == 0 or scale == 0.0:
        return 0.0
    return float((x * y).sum() / scale)


def kl_divergence(saliency: Map, density: Map) -> float:
    """KL: divergence in nats of the saliency's distribution from the density's; 0 is best."""
    truth, found = distribution(density, _EPSILON), distribution(saliency, _EPSILON)
    return float((truth * (np.log(truth) - np.log(found))).sum())


def similarity(saliency: Map, density: Map) -> float:
    """SIM: how much two distributions overlap, from 0 to 1."""
    return float(np.minimum(distribution(saliency), distribution(density)).sum())


def nss(saliency: Map, fixations: Points) -> float:
    """NSS: mean of the standardised map at the fixations; 0 is chance.

    Returns:
        NaN without a fixation; 0 where the map is constant.
    """
    values = np.asarray(saliency, np.float64)
    at = _at(values, fixations)
    if not len(at):
        return float("nan")
    deviation = float(values.std())
    if np.ptp(values) == 0 or deviation == 0.0:
        return 0.0
    return float(((at - values.mean()) / deviation).mean())


def auc_judd(saliency: Map, fixations: Points) -> float:
    """AUC-Judd: area under the ROC curve of fixated against all other pixels; ties count half.

    Returns:
        NaN without a fixation, or where every pixel is fixated.
    Source: Judd, Durand, Torralba (MIT-CSAIL-TR-2012-001). Their random jitter only breaks ties,
        which are counted exactly here.
    """
    values = np.asarray(saliency, np.float64)
    others = np.ones(values.shape, bool)
    others[fixations[:, 0], fixations[:, 1]] = False
    return _area(_at(values, fixations), values[others])


def auc_borji(
    saliency: Map, fixations: Points, rng: np.random.Generator, repeats: int = 100
) -> float:
    """AUC-Borji: as AUC-Judd, but against as many pixels drawn at random as there are fixations.

    Args:
        rng: draws the pixels.
        repeats: how many draws are averaged.
    Returns:
        NaN without a fixation.
    Source: Borji, Tavakoli, Sihite, Itti (ICCV 2013).
    """
    values = np.asarray(saliency, np.float64)
    at, every = _at(values, fixations), values.ravel()
    areas = [_area(at, rng.choice(every, len(at))) for _ in range(repeats)]
    return float(np.mean(areas))


def shuffled_auc(saliency: Map, fixations: Points, others: Points) -> float:
    """Shuffled AUC: fixations of this picture against those of other pictures; ties count half.

    A map of the centre alone reaches about 0.5, since people look at the centre of every picture.

    Args:
        others: int [M, 2], fixations of other pictures, rescaled to this one's size.
    Returns:
        NaN without a fixation on either side.
    Source: Zhang, Tong, Marks, Shan, Cottrell, "SUN" (Journal of Vision 2008).
    """
    values = np.asarray(saliency, np.float64)
    return _area(_at(values, fixations), _at(values, others))


def information_gain(saliency: Map, baseline: Map, fixations: Points) -> float:
    """Mean log-likelihood of the fixations under the map less that under a baseline, in bits.

    Args:
        baseline: float [H, W], for example a centre Gaussian fitted on other pictures.
    Returns:
        NaN without a fixation.
    Source: Kümmerer, Wallis, Bethge, "Information-theoretic model comparison" (PNAS 2015).
    """
    if not len(fixations):
        return float("nan")
    found = _at(distribution(saliency, _EPSILON), fixations)
    known = _at(distribution(baseline, _EPSILON), fixations)
    return float((np.log2(found) - np.log2(known)).mean())


def _at(values: NDArray[np.float64], points: Points) -> NDArray[np.float64]:
    picked: NDArray[np.float64] = values[points[:, 0], points[:, 1]]
    return picked


def _area(positives: NDArray[np.float64], negatives: NDArray[np.float64]) -> float:
    """Probability that a positive is above a negative, half where they are equal (Mann-Whitney)."""
    if not len(positives) or not len(negatives):
        return float("nan")
    ordered = np.sort(negatives)
    below = np.searchsorted(ordered, positives, "left")
    up_to = np.searchsorted(ordered, positives, "right")
    return float((below + up_to).mean() / (2 * len(negatives)))
