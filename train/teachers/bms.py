"""Boolean Map based Saliency: what is surrounded, at some threshold of some channel.

Source: Zhang, Sclaroff, "Saliency Detection: A Boolean Map Approach" (ICCV 2013) and "Exploiting
Surroundedness for Saliency Detection" (TPAMI 2016), with the parameters of their eye-fixation
experiments. It differs in nothing that is known of.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import grey_dilation, label, median_filter

from train.teachers.planes import blur, lab, resize, stretched

__all__ = ["saliency"]

LONGEST = 400
"""The picture is seen with its longest side at this many pixels."""
STEP = 8
"""Between two thresholds, of 256 levels."""
FIRST_DILATION = 7
LAST_DILATION = 9
"""Widths of the dilations of an attention map and of their sum, in pixels."""
SIGMA = 9.0
"""Of the final blur, in pixels."""
REGULARISER = 50.0
"""Added to the variances before the colours are whitened."""
_EIGHT = np.ones((3, 3), int)


def saliency(rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Saliency by Boolean maps of whitened L*a*b*.

    Args:
        rgb: uint8 [H, W, 3].
    Returns:
        float32 [H, W] in [0, 1].
    """
    height, width = rgb.shape[:2]
    scale = LONGEST / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = np.asarray(Image.fromarray(rgb).resize(size, Image.Resampling.BOX))
    total = np.zeros(small.shape[:2])
    for plane in _whitened(small):
        for threshold in range(int(plane.min()), int(plane.max()), STEP):
            above = plane > threshold
            for region in (above, ~above):
                inner = _dilated(_surrounded(region), FIRST_DILATION)
                if count := np.count_nonzero(inner):
                    total += inner * (1.0 / np.sqrt(count))
    spread = grey_dilation(stretched(total), (LAST_DILATION, LAST_DILATION))
    radius = min(4 * int(SIGMA) + 1, 51) // 2
    smooth = blur(spread, SIGMA, radius, mode="mirror")
    return stretched(resize(smooth, height, width))


def _whitened(rgb: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
    """Three decorrelated channels of equal variance, 8 bits, median-filtered."""
    colors = lab(rgb) * np.array([255 / 100, 1, 1], np.float32) + np.array(
        [0, 128, 128], np.float32
    )
    flat = np.round(colors).reshape(-1, 3).astype(np.float64)
    covariance = np.cov(flat, rowvar=False) + REGULARISER * np.eye(3)
    vectors, values, _ = np.linalg.svd(covariance)
    white = (flat @ vectors / np.sqrt(values)).reshape(colors.shape)
    planes = [np.round(255 * stretched(white[..., i])).astype(np.uint8) for i in range(3)]
    return [median_filter(plane, size=3, mode="nearest") for plane in planes]


def _dilated(region: NDArray[np.bool_], width: int) -> NDArray[np.bool_]:
    """A region grown by a square of `width` pixels, an odd number."""
    for axis in (0, 1):
        padded = np.pad(region, [(width // 2,) * 2 if a == axis else (0, 0) for a in (0, 1)])
        shifted = [np.roll(padded, -by, axis) for by in range(width)]
        region = np.logical_or.reduce(shifted)[: region.shape[0], : region.shape[1]]
    return region


def _surrounded(region: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The parts of a region that do not touch the border of the picture."""
    parts, count = label(region, _EIGHT)
    border = np.concatenate([parts[0], parts[-1], parts[:, 0], parts[:, -1]])
    keep = np.ones(count + 1, bool)
    keep[0] = False
    keep[border] = False
    kept: NDArray[np.bool_] = keep[parts]
    return kept
