"""Where people look, drawn for a labelled object: what a teacher that is told the gaze learns from.

Gaze maps come with pictures that nobody has labelled, labels with pictures that nobody was watched
over. A teacher learns on the second, with fixations drawn here, what object is meant by them; then
it labels the first.
"""

from __future__ import annotations

import math

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter

__all__ = ["peak_normalised", "simulated"]

FIXATIONS = (5, 30)
STRAY = 0.35
"""At most this share of the fixations falls anywhere, mostly about the middle."""
CENTRE = 0.27
"""Deviation of stray fixations from the middle, as a share of each side."""
ANCHORS = (1, 7)
"""How many places of an object are looked at, one fewer than the second at most."""
JITTER = 0.1
"""Deviation of fixations from the place they aim at, in root areas of the object."""
TOP = 0.3
"""The share of an object that counts as its top, where a person's face is."""
BLUR = (0.025, 0.05)
"""Deviation of the Gaussian that makes fixations a density, as shares of the short side."""
COARSE = 4
"""The density is as smooth as that: it is computed at a fourth of the size."""


def simulated(label: np.ndarray, rng: np.random.Generator, top: float = 0.0) -> np.ndarray:
    """A fixation density as viewers of an object might leave it.

    Args:
        label: uint8 [H, W], object above 127.
        top: share of the densities whose aimed fixations all go to the object's top, as people look
            at faces.
    Returns:
        uint8 [H, W], its peak at 255; over a picture without object all fixations are stray.
    """
    height, width = label.shape
    rows, columns = np.nonzero(label > 127)
    count = int(rng.integers(*FIXATIONS))
    y = rng.normal(0.5, CENTRE, count) * height
    x = rng.normal(0.5, CENTRE, count) * width
    if len(rows):
        aimed = count - int(count * rng.uniform(0.0, STRAY))
        # Pixels come row by row: the first of them are the top.
        reach = TOP if top and rng.random() < top else 1.0
        anchors = rng.integers(math.ceil(reach * len(rows)), size=int(rng.integers(*ANCHORS)))
        chosen = rng.choice(anchors, aimed)
        spread = JITTER * np.sqrt(len(rows))
        y[:aimed] = rows[chosen] + rng.normal(0.0, spread, aimed)
        x[:aimed] = columns[chosen] + rng.normal(0.0, spread, aimed)
    coarse = np.zeros((-(-height // COARSE), -(-width // COARSE)))
    row = np.clip(y, 0, height - 1).astype(int) // COARSE
    column = np.clip(x, 0, width - 1).astype(int) // COARSE
    np.add.at(coarse, (row, column), rng.exponential(1.0, count))
    blur = rng.uniform(*BLUR) * min(height, width) / COARSE
    density = gaussian_filter(coarse, blur).astype(np.float32)
    whole = Image.fromarray(density).resize((width, height), Image.Resampling.BILINEAR)
    return peak_normalised(np.asarray(whole))


def peak_normalised(density: np.ndarray) -> np.ndarray:
    """A density [H, W] of any type as uint8 with its peak at 255; one without a peak stays 0."""
    peak = float(density.max())
    scaled = density.astype(np.float32) * (255.0 / peak) if peak > 0 else np.zeros(density.shape)
    return np.round(scaled).astype(np.uint8)
