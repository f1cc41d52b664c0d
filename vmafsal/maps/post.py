"""Post-processing of saliency maps: pure steps, and the chain that a text such as
"equalize,smooth=2%,minmax" describes.

`saliency_mean` is the mean of the map as the model gives it. Steps are applied only where a person
asks for them: to look at maps, or to compare models whose maps have other units. The number of a
changed map has another name.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial, reduce

import numpy as np
from numpy.typing import NDArray

from vmafsal.maps.reference import Reference, read_reference
from vmafsal.post_spec import StepSpec, read_steps

__all__ = [
    "Step",
    "add_centre_prior",
    "apply_steps",
    "centre_prior",
    "equalize",
    "log_density",
    "make_steps",
    "match_histogram",
    "min_max",
    "multiply_centre_prior",
    "smooth",
    "standardise",
]

Map = NDArray[np.float32]
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


def match_histogram(saliency: Map, reference: Reference) -> Map:
    """Give a map the distribution of a reference, keeping the order of its pixels.

    Equal pixels stay equal: each gets the value that the reference has at the middle of their
    ranks, so that a constant map becomes the reference's median.

    Args:
        saliency: float32 [H, W].
        reference: the distribution that is wanted.
    Returns:
        float32 [H, W].
    """
    _, inverse, counts = np.unique(saliency, return_inverse=True, return_counts=True)
    shares = (np.cumsum(counts) - counts / 2) / saliency.size
    values = np.interp(shares, reference.shares, reference.values).astype(np.float32)
    matched: Map = values[inverse].reshape(saliency.shape)
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


_STEPS: dict[str, Callable[..., Map]] = {
    "equalize": equalize,
    "smooth": smooth,
    "centre-add": add_centre_prior,
    "centre-multiply": multiply_centre_prior,
    "minmax": min_max,
    "zscore": standardise,
    "logdensity": log_density,
}
"""By the names that a text has for them; what stands behind the name are the arguments."""


def make_steps(text: str | None) -> list[Step]:
    """The chain that a text describes, with the files that it names read.

    Args:
        text: as --post; None or empty for none.
    Raises:
        UsageError: naming the step that makes no sense.
        InputError: if a reference cannot be used.
    """
    return [_make_step(spec) for spec in read_steps(text or "")]


def apply_steps(saliency: Map, steps: Sequence[Step]) -> Map:
    """A map after every step, in order.

    Args:
        saliency: float32 [H, W]; it is not changed.
        steps: none leaves the map as it is.
    Returns:
        float32 [H, W].
    """
    return reduce(lambda result, step: step(result), steps, saliency)


def _make_step(spec: StepSpec) -> Step:
    if spec.path is not None:
        return partial(match_histogram, reference=read_reference(spec.path))
    if spec.percent:
        return partial(smooth_share, share=spec.numbers[0] / 100.0)
    step = _STEPS[spec.name]
    return lambda saliency: step(saliency, *spec.numbers)
