"""Graph-Based Visual Saliency: where a random walk over unlike places spends its time.

Source: Harel, Koch, Perona, "Graph-Based Visual Saliency" (NIPS 2006), with the parameters of its
published implementation. It differs in the colour channel: simple opponent colours in place of the
cone space (see channels.py).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from train.teachers.channels import feature_pyramid, finish, lattice_size
from train.teachers.planes import Plane, resize, stretched

__all__ = ["saliency"]

LEVELS = (2, 3, 4)
"""Of the pyramid; 1 is half of the picture's size."""
SIGMA = 0.15
"""Of the distances between cells, as a share of the mean side of the lattice."""
POWER = 1.5
"""An activation is raised to it: the normalisation of the published implementation."""
BORDER = 4
BLUR = 0.02
_TOLERANCE = 1e-4


def saliency(rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Saliency by GBVS.

    Args:
        rgb: uint8 [H, W, 3].
    Returns:
        float32 [H, W] in [0, 1].
    """
    height, width = rgb.shape[:2]
    rows, columns = lattice_size(height, width)
    closeness = _closeness(rows, columns)
    total = np.zeros((rows, columns))
    for level, features in enumerate(feature_pyramid(rgb, max(LEVELS)), start=1):
        if level not in LEVELS:
            continue
        for maps in features.values():
            for plane in maps:
                total += _activation(resize(plane, rows, columns), closeness) ** POWER
    return stretched(resize(finish(total, BORDER, BLUR), height, width))


def _closeness(rows: int, columns: int) -> Plane:
    """exp(-d² / 2σ²) of each pair of cells; [n, n]."""
    y, x = np.mgrid[:rows, :columns]
    places = np.stack([y.ravel(), x.ravel()], axis=1).astype(np.float64)
    squared = ((places[:, None] - places[None]) ** 2).sum(axis=2)
    sigma = SIGMA * (rows + columns) / 2
    closeness: Plane = np.exp(-squared / (2 * sigma * sigma)).astype(np.float32)
    return closeness


def _activation(plane: Plane, closeness: Plane) -> NDArray[np.float64]:
    """The equilibrium of a walk whose steps prefer unlike, near cells; sums to 1."""
    values = stretched(plane).ravel()
    # In place, in float32: the matrix has a cell for each pair of cells of the lattice.
    steps = np.subtract.outer(values, values)
    np.abs(steps, out=steps)
    steps *= closeness
    sums = steps.sum(axis=0)
    if not sums.any():
        return np.zeros(plane.shape)
    leaving = 1.0 / np.where(sums > 0, sums, np.float32(1))
    state = np.full(len(values), 1.0 / len(values), np.float32)
    for _ in range(1000):
        following = steps @ (state * leaving)
        moved = float(np.linalg.norm(following - state))
        state = following / following.sum()
        if moved < _TOLERANCE:
            break
    return state.reshape(plane.shape).astype(np.float64)
