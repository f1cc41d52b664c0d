"""Post-processing of saliency maps: pure steps, and the chain that a text such as
"equalize,smooth=2%,minmax" describes.

`saliency_mean` is the mean of the map as the model gives it. Steps are applied only where a person
asks for them: to look at maps, or to compare models whose maps have other units.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray

from vmafsal.errors import UsageError

__all__ = [
    "Step",
    "add_centre_prior",
    "centre_prior",
    "equalize",
    "log_density",
    "match_histogram",
    "min_max",
    "multiply_centre_prior",
    "parse_steps",
    "smooth",
    "standardise",
]

Map = NDArray[np.float32]
_WIDEST, _WIDEST_SHARE = 1000, 100
"""Greatest deviation of a blur that a text may ask for, in pixels and in % of a side."""

Step = Callable[[Map], Map]
"""float32 [H, W] to float32 [H, W]."""

_CUT = 3.0
"""A Gaussian is cut at so many deviations."""


def equalize(saliency: Map) -> Map:
    """Histogram equalisation: each pixel becomes the share of pixels that are not above it.

    Args:
        saliency: float32 [H, W].
    Returns:
        float32 [H, W] in (0, 1]; equal pixels stay equal.
    """
    _, inverse, counts = np.unique(saliency, return_inverse=True, return_counts=True)
    shares = np.cumsum(counts) / saliency.size
    equal: Map = shares[inverse].reshape(saliency.shape).astype(np.float32)
    return equal


def match_histogram(saliency: Map, reference: NDArray[np.floating]) -> Map:
    """Give a map the distribution of a reference, keeping the order of its pixels.

    Args:
        saliency: float32 [H, W].
        reference: any shape; its values are the wanted distribution, for example a mean map of
            a data set.
    Returns:
        float32 [H, W].
    """
    wanted = np.sort(np.asarray(reference, np.float64).ravel())
    places = (np.arange(len(wanted)) + 0.5) / len(wanted)
    matched: Map = np.interp(equalize(saliency), places, wanted).astype(np.float32)
    return matched


def smooth(saliency: Map, sigma: float) -> Map:
    """Gaussian blur with replicated edges.

    Args:
        saliency: float32 [H, W].
        sigma: standard deviation in pixels; 0 changes nothing.
    Returns:
        float32 [H, W].
    """
    if sigma <= 0:
        return saliency
    radius = max(1, round(_CUT * sigma))
    taps = np.exp(-(np.arange(-radius, radius + 1) ** 2) / (2.0 * sigma * sigma))
    taps = (taps / taps.sum()).astype(np.float32)
    blurred = saliency
    for axis in (0, 1):
        width = [(radius, radius) if one == axis else (0, 0) for one in (0, 1)]
        padded = np.pad(blurred, width, mode="edge")
        windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * radius + 1, axis=axis)
        blurred = np.ascontiguousarray(windows @ taps)
    return blurred


def smooth_share(saliency: Map, share: float) -> Map:
    """Gaussian blur whose standard deviation is a share of the longer side."""
    return smooth(saliency, share * max(saliency.shape))


def centre_prior(height: int, width: int, spread: float) -> Map:
    """A Gaussian in the middle of the picture, with peak 1.

    Other toolboxes take the Gaussian's density, whose peak is 1 / (2π σx σy): about 1e-5 for a
    picture of 640x480, so that their prior does nothing. A peak of 1 has the weight that is asked
    for.

    Args:
        height, width: in pixels.
        spread: standard deviation along each side, as a share of that side.
    """
    rows, columns = (
        np.exp(-(((np.arange(side) - (side - 1) / 2) / (spread * side)) ** 2) / 2.0)
        for side in (height, width)
    )
    return np.outer(rows, columns).astype(np.float32)


def add_centre_prior(saliency: Map, spread: float, weight: float) -> Map:
    """(1 - weight) · map + weight · prior."""
    prior = centre_prior(saliency.shape[0], saliency.shape[1], spread)
    added: Map = np.float32(1 - weight) * saliency + np.float32(weight) * prior
    return added


def multiply_centre_prior(saliency: Map, spread: float, weight: float) -> Map:
    """(1 - weight) · map + weight · map · prior."""
    prior = centre_prior(saliency.shape[0], saliency.shape[1], spread)
    multiplied: Map = np.float32(1 - weight) * saliency + np.float32(weight) * saliency * prior
    return multiplied


def min_max(saliency: Map) -> Map:
    """Scaled to [0, 1]; zeros where the map is constant.

    It makes an empty picture look as salient as a full one: for looking, not for comparing.
    """
    low, high = float(saliency.min()), float(saliency.max())
    if high == low:
        return np.zeros_like(saliency)
    return ((saliency - low) / (high - low)).astype(np.float32)


def standardise(saliency: Map) -> Map:
    """Mean 0, standard deviation 1; zeros where the map is constant."""
    deviation = float(saliency.std())
    if float(np.ptp(saliency)) == 0.0 or deviation == 0.0:
        return np.zeros_like(saliency)
    standard: Map = ((saliency - saliency.mean()) / deviation).astype(np.float32)
    return standard


def log_density(saliency: Map, epsilon: float = 1e-8) -> Map:
    """Logarithm of the map as a distribution over its pixels, in nats.

    Args:
        saliency: float32 [H, W].
        epsilon: added to each pixel after scaling to [0, 1], so that the least one has a
            logarithm.
    """
    scaled = min_max(saliency).astype(np.float64) + epsilon
    logarithm: Map = np.log(scaled / scaled.sum()).astype(np.float32)
    return logarithm


_PLAIN: dict[str, Step] = {
    "equalize": equalize,
    "minmax": min_max,
    "zscore": standardise,
    "logdensity": log_density,
}
_PRIORS = {"centre-add": add_centre_prior, "centre-multiply": multiply_centre_prior}


def parse_steps(text: str) -> list[Step]:
    """The chain that a text describes.

    Args:
        text: steps between commas, applied in their order: equalize; smooth=SIGMA in pixels or
            smooth=P% of the longer side; centre-add=SPREAD:WEIGHT, centre-multiply=SPREAD:WEIGHT;
            minmax; zscore; logdensity. Empty for none.
    Raises:
        UsageError: naming the step that makes no sense.
    """
    return [_parse_step(part.strip()) for part in text.split(",") if part.strip()]


def _parse_step(text: str) -> Step:
    name, equals, value = text.partition("=")
    if name in _PLAIN and not equals:
        return _PLAIN[name]
    if name == "smooth":
        match = re.fullmatch(r"(\d+(?:\.\d+)?|\.\d+)(%?)", value)
        if match is None:
            raise UsageError(f"The step {text!r} is smooth=3 (pixels) or smooth=2% (of a side).")
        number = float(match[1])
        if number > (_WIDEST_SHARE if match[2] else _WIDEST):
            raise UsageError(
                f"The step {text!r} blurs too widely: up to {_WIDEST} pixels, or "
                f"{_WIDEST_SHARE}% of the longer side."
            )
        if match[2]:
            return partial(smooth_share, share=number / 100.0)
        return partial(smooth, sigma=number)
    if name in _PRIORS:
        match = re.fullmatch(r"(\d*\.?\d+):(\d*\.?\d+)", value)
        if match is None or float(match[1]) == 0.0 or float(match[2]) > 1.0:
            raise UsageError(
                f"The step {text!r} is {name}=SPREAD:WEIGHT, for example {name}=0.3:0.25, with a "
                "spread above 0 and a weight up to 1."
            )
        return partial(_PRIORS[name], spread=float(match[1]), weight=float(match[2]))
    known = [*_PLAIN, "smooth=…", *(f"{prior}=…" for prior in _PRIORS)]
    raise UsageError(f"There is no step {text!r}. Choose of {', '.join(known)}.")
