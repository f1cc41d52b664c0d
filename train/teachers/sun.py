"""Saliency Using Natural statistics: what is unlikely among natural pictures.

Source: Zhang, Tong, Marks, Shan, Cottrell, "SUN: A Bayesian framework for saliency using natural
statistics" (Journal of Vision 2008). Filters and their statistics are our own, learnt by bases.py.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from train.teachers.bases import load_basis, unit_of
from train.teachers.planes import correlate

__all__ = ["saliency"]

_ROUNDING = 1e-3


def saliency(rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Self-information of each place, up to a constant.

    Args:
        rgb: uint8 [H, W, 3], at least 11 pixels on each side.
    Returns:
        float32 [H, W].
    """
    basis = load_basis("sun")
    responses = np.abs(correlate(unit_of("sun", rgb), basis.kernels))
    # Rounding, which a power below 1 would raise to a pattern.
    responses[responses < _ROUNDING] = 0.0
    responses /= basis.sigmas[:, None, None]
    responses **= basis.thetas[:, None, None]
    inside = responses.sum(axis=0)
    size = basis.kernels.shape[1]
    margin = (size - 1) // 2
    return np.pad(inside, margin, constant_values=float(inside.min())).astype(np.float32)
