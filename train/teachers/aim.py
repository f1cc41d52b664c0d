"""Attention by Information Maximization: what is unlikely, given the rest of the picture.

Source: Bruce, Tsotsos, "Saliency, attention, and visual search: An information theoretic approach"
(Journal of Vision 2009). The basis is our own, learnt by bases.py; 256 bins, and the range over
all planes, as in the implementation of SMILER.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from train.teachers.bases import load_basis, unit_of
from train.teachers.planes import blur, correlate

__all__ = ["saliency"]

BINS = 256
SIGMA = 8.0
RADIUS = 15
"""Of the final blur, in pixels."""


def saliency(rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Self-information of each place, in nats.

    Args:
        rgb: uint8 [H, W, 3], at least 21 pixels on each side.
    Returns:
        float32 [H, W].
    """
    basis = load_basis("aim").kernels  # [n, p, p, 3]
    responses = correlate(unit_of("aim", rgb), basis)
    low, high = float(responses.min()), float(responses.max())
    inside = np.zeros(responses.shape[1:])
    if high - low > 1e-4:
        scaled = np.round((responses - low) / (high - low) * (BINS - 1)).astype(int)
        for plane in scaled:
            shares = np.bincount(plane.ravel(), minlength=BINS) / plane.size
            inside -= np.log(shares[plane] + 1e-6)
    margin = (basis.shape[1] - 1) // 2
    smooth = blur(inside, SIGMA, RADIUS)
    whole = np.full(rgb.shape[:2], float(smooth.min()), np.float32)
    rows, columns = smooth.shape
    whole[margin : margin + rows, margin : margin + columns] = smooth
    return whole
