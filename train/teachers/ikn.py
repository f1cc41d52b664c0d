"""Saliency by centre-surround differences and competition within each map.

Source: Itti, Koch, Niebur, "A Model of Saliency-Based Visual Attention for Rapid Scene Analysis"
(TPAMI 1998), with the parameters of the implementation that comes with GBVS. It differs in the
colour channel: simple opponent colours (see channels.py).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter

from train.teachers.channels import Features, feature_pyramid, finish, lattice_size
from train.teachers.planes import Plane, resize, stretched

__all__ = ["saliency"]

CENTRES = (2, 3)
"""Levels of the pyramid that are centres; 1 is half of the picture's size."""
DELTA = 2
"""Levels from a centre to its surround."""
BORDER = 4
BLUR = 0.03
_PEAK = 10.0
_CROSS = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], bool)


def saliency(rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Saliency by Itti, Koch and Niebur.

    Args:
        rgb: uint8 [H, W, 3].
    Returns:
        float32 [H, W] in [0, 1].
    """
    height, width = rgb.shape[:2]
    rows, columns = lattice_size(height, width)
    pyramid = feature_pyramid(rgb, max(CENTRES) + DELTA)
    total = np.zeros((rows, columns))
    for channel in ("color", "intensity", "orientation"):
        total += _competed(_conspicuity(pyramid, channel, rows, columns))
    return stretched(resize(finish(total, BORDER, BLUR), height, width))


def _conspicuity(
    pyramid: list[Features], channel: str, rows: int, columns: int
) -> NDArray[np.float64]:
    """The sum of a channel's centre-surround maps, each after competition."""
    total = np.zeros((rows, columns))
    for centre in CENTRES:
        # In a small picture the coarsest level stands for what is missing.
        surround = min(centre + DELTA, len(pyramid))
        if surround <= centre:
            continue
        for near, far in zip(
            pyramid[centre - 1][channel], pyramid[surround - 1][channel], strict=True
        ):
            apart = (near - resize(far, *near.shape)) ** 2
            total += _competed(resize(apart, rows, columns))
    return total


def _competed(plane: NDArray[np.floating] | Plane) -> NDArray[np.float64]:
    """The operator N: maps with one strong peak are promoted, those with many suppressed."""
    values = stretched(plane).astype(np.float64) * _PEAK
    if not values.any():
        return values
    inner = values[1:-1, 1:-1]
    peaks = (values == maximum_filter(values, footprint=_CROSS, mode="nearest"))[1:-1, 1:-1]
    heights = inner[peaks & (inner >= 1.0)]
    # The greatest of all stands apart from the mean of the others.
    factor = (_PEAK - heights.mean()) ** 2 if len(heights) > 1 else _PEAK**2
    return values * factor
