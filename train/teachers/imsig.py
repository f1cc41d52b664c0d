"""Image Signature: the signs of the cosine transform alone bring back what is sparse.

Source: Hou, Harel, Koch, "Image Signature: Highlighting Sparse Salient Regions" (TPAMI 2012).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dctn, idctn

from train.teachers.planes import blur, lab, resize, stretched

__all__ = ["saliency"]

WIDTH = 64
"""The picture is seen at this width, in pixels."""
SIGMA = 0.045
"""Of the final blur, as a share of WIDTH."""


def saliency(rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Saliency by Image Signature, in L*a*b*.

    Args:
        rgb: uint8 [H, W, 3].
    Returns:
        float32 [H, W] in [0, 1].
    """
    height, width = rgb.shape[:2]
    rows = max(1, round(height * WIDTH / width))
    colors = lab(rgb)
    found = np.zeros((rows, WIDTH))
    for channel in range(3):
        plane = resize(colors[..., channel], rows, WIDTH).astype(np.float64)
        signs = np.sign(dctn(plane, norm="ortho"))
        # A coefficient that is zero but for rounding has no sign.
        signs[np.abs(dctn(plane, norm="ortho")) < 1e-4] = 0.0
        signs[0, 0] = 0.0 if np.ptp(plane) < 1e-4 else signs[0, 0]
        found += idctn(signs, norm="ortho") ** 2
    smooth = blur(found / 3.0, SIGMA * WIDTH, round(2 * SIGMA * WIDTH))
    return stretched(resize(smooth, height, width))
