"""Feature channels of GBVS and of IKN: a pyramid of intensity, colour and orientation.

Source: Harel, Koch, Perona, "Graph-Based Visual Saliency" (NIPS 2006), with the parameters of its
published implementation; Itti, Koch, Niebur (TPAMI 1998).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import correlate1d
from scipy.signal import fftconvolve

from train.teachers.planes import Plane, blur, stretched

__all__ = ["ANGLES", "border_ramp", "feature_pyramid", "finish", "lattice_size"]

ANGLES = (0.0, 45.0, 90.0, 135.0)
"""Orientations, in degrees."""
LATTICE = 32
"""Longest side of the lattice on which maps are compared, in cells."""
_TAPS = np.array([1.0, 5.0, 10.0, 10.0, 5.0, 1.0]) / 32.0
_GABOR_DEVIATION = 2.0
_GABOR_ELONGATION = 2.0
_GABOR_PERIOD = np.pi
_GABOR_RADIUS = 13

Features = dict[str, list[Plane]]
"""Channel ("color", "intensity", "orientation") to its maps."""


def feature_pyramid(rgb: NDArray[np.uint8], levels: int) -> list[Features]:
    """The feature maps of each level.

    Args:
        rgb: uint8 [H, W, 3].
        levels: how many; level 1 has half the picture's size, each next one half of that.
    Returns:
        one dictionary a level, finest first; ends early where a level would be under 8 pixels.
    """
    pyramid = []
    image = rgb.astype(np.float64) / 255.0
    for _ in range(levels):
        if min(image.shape[:2]) < 16:
            break
        image = _half(image)
        pyramid.append(_features(image))
    return pyramid


def _half(image: NDArray[np.float64]) -> NDArray[np.float64]:
    """Low-passed with 6 binomial taps, every second row and column."""
    for axis in (0, 1):
        # Taps i - 2 to i + 3: the middle of a pair of samples, so that a mirrored picture has the
        # mirrored pyramid.
        image = correlate1d(image, _TAPS, axis=axis, mode="nearest", origin=-1)
    return image[::2, ::2]


def _features(image: NDArray[np.float64]) -> Features:
    red, green, blue = image[..., 0], image[..., 1], image[..., 2]
    intensity = image.max(axis=2)
    # Opponent colours: as good as the cone space of the published implementation (CC .992).
    color = [(red + green + blue) / 3, red - green, blue - (red + green) / 2]
    return {
        "color": [plane.astype(np.float32) for plane in color],
        "intensity": [intensity.astype(np.float32)],
        "orientation": [_oriented(intensity, angle) for angle in ANGLES],
    }


def _oriented(plane: NDArray[np.float64], angle: float) -> Plane:
    """Strength of edges and lines of one orientation: two Gabor filters a quarter period apart."""
    padded = np.pad(plane, _GABOR_RADIUS, mode="edge")
    strength = sum(
        np.abs(fftconvolve(padded, _gabor(angle, phase), mode="valid")) for phase in (0.0, 90.0)
    )
    ramp = border_ramp(plane.shape, _GABOR_RADIUS)
    return (np.asarray(strength) * ramp).astype(np.float32)


def _gabor(angle: float, phase: float) -> NDArray[np.float64]:
    """Of zero mean and unit norm."""
    y, x = np.mgrid[-_GABOR_RADIUS : _GABOR_RADIUS + 1, -_GABOR_RADIUS : _GABOR_RADIUS + 1]
    turn = np.deg2rad(angle)
    across = x * np.cos(turn) - y * np.sin(turn)
    along = x * np.sin(turn) + y * np.cos(turn)
    envelope = np.exp(
        -(across**2) / (2 * _GABOR_DEVIATION**2)
        - along**2 / (2 * (_GABOR_DEVIATION * _GABOR_ELONGATION) ** 2)
    )
    kernel = envelope * np.sin(across * 2 * np.pi / _GABOR_PERIOD + np.deg2rad(phase))
    kernel -= kernel.mean()
    normed: NDArray[np.float64] = kernel / np.sqrt((kernel**2).sum())
    return normed


def border_ramp(shape: tuple[int, ...], width: int) -> NDArray[np.float64]:
    """Factors that rise linearly from the border of a map over `width` cells, then stay 1."""
    ramps = []
    for side in shape[:2]:
        reach = max(1, min(width, side // 2))
        distance = np.minimum(np.arange(side), np.arange(side)[::-1])
        ramps.append(np.minimum(1.0, (distance + 1) / (reach + 1)))
    ramp: NDArray[np.float64] = np.minimum.outer(*ramps)
    return ramp


def lattice_size(height: int, width: int, longest: int = LATTICE) -> tuple[int, int]:
    """Rows and columns of the lattice of a picture."""
    scale = longest / max(height, width)
    return max(2, round(height * scale)), max(2, round(width * scale))


def finish(plane: NDArray[np.floating], border: int, share: float) -> Plane:
    """Border attenuated, blurred with sigma = share of the longer side, stretched."""
    ramped = stretched(plane) * border_ramp(plane.shape, border)
    sigma = share * max(plane.shape)
    return stretched(blur(ramped, sigma, max(1, round(2 * sigma)), mode="nearest"))
