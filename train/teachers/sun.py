"""Saliency Using Natural statistics: what is unlikely among natural pictures.

Source: Zhang, Tong, Marks, Shan, Cottrell, "SUN: A Bayesian framework for saliency using natural
statistics" (Journal of Vision 2008). Filters and their statistics are our own, learnt by bases.py.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.signal import fftconvolve

from train.teachers.bases import load_basis, unit_of

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
    image = unit_of("sun", rgb)
    size = basis.kernels.shape[1]
    inside = np.zeros((rgb.shape[0] - size + 1, rgb.shape[1] - size + 1))
    for kernel, sigma, theta in zip(basis.kernels, basis.sigmas, basis.thetas, strict=True):
        # Correlation: the kernel is turned around.
        parts = (fftconvolve(image[..., c], kernel[::-1, ::-1, c], mode="valid") for c in range(3))
        response = np.abs(sum(parts))
        # Rounding of the transform, which a power below 1 would raise to a pattern.
        response[response < _ROUNDING] = 0.0
        inside += (response / sigma) ** theta
    margin = (size - 1) // 2
    return np.pad(inside, margin, constant_values=float(inside.min())).astype(np.float32)
