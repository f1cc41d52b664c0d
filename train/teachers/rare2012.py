"""Rarity at several scales of colour and orientation. Approximate.

Source: Riche, Mancas, Duvinage, Mibulumukini, Gosselin, Dutoit, "RARE2012: A multi-scale
rarity-based saliency detection with its comparative statistical analysis" (Signal Processing:
Image Communication 2013). The authors' program is closed; this follows the paper alone, and is not
claimed to give its maps. Colours are decorrelated by PCA; a map is rare where few of its pixels
have that value, at each of four scales; maps with a high peak weigh more.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.signal import fftconvolve

from train.teachers.planes import Plane, blur, resize, stretched

__all__ = ["saliency"]

ORIENTATIONS = 8
SCALES = 3
"""Of the Gabor filters."""
LEVELS = 4
"""Of the pyramid on which a value's frequency is counted."""
BINS = 256
HIGHEST = 0.1
"""Of the Gabor filters' centre frequencies, in cycles a pixel."""
THRESHOLD = 0.3
"""A map whose weight is below this share of the greatest one is left out."""
SMOOTHING = 0.02
"""Sigma of the final blur, as a share of the longer side: the paper low-passes its maps too."""
LONGEST = 320
"""The picture is seen with its longest side at most at this many pixels."""


def saliency(rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Saliency by multi-scale rarity.

    Args:
        rgb: uint8 [H, W, 3].
    Returns:
        float32 [H, W] in [0, 1].
    """
    height, width = rgb.shape[:2]
    scale = min(1.0, LONGEST / max(height, width))
    rows, columns = max(8, round(height * scale)), max(8, round(width * scale))
    fused = []
    for plane in _principal_colors(rgb, rows, columns):
        oriented = [_rarity(_fuse(group)) for group in _gabor_responses(plane)]
        fused.append(_fuse([_rarity(plane), _fuse(oriented)]))
    total = _fuse(fused)
    sigma = SMOOTHING * max(rows, columns)
    smooth = blur(total, sigma, max(1, round(3 * sigma)), mode="nearest")
    return stretched(resize(smooth, height, width))


def _principal_colors(rgb: NDArray[np.uint8], rows: int, columns: int) -> list[Plane]:
    """Three decorrelated colour planes, each in [0, 1]."""
    small = np.stack([resize(rgb[..., i].astype(np.float32), rows, columns) for i in range(3)], 2)
    flat = small.reshape(-1, 3).astype(np.float64)
    centred = flat - flat.mean(axis=0)
    _, vectors = np.linalg.eigh(centred.T @ centred)
    planes = (centred @ vectors).reshape(rows, columns, 3)
    # What is constant but for rounding is no colour of the picture.
    return [
        stretched(planes[..., i])
        if np.ptp(planes[..., i]) > 1e-3
        else np.zeros((rows, columns), np.float32)
        for i in range(3)
    ]


def _gabor_responses(plane: Plane) -> list[list[Plane]]:
    """For each scale, the strength of each orientation."""
    responses = []
    for scale in range(SCALES):
        frequency = HIGHEST / 2**scale
        radius = min(round(1.0 / frequency), min(plane.shape) // 2)
        padded = np.pad(plane, radius, mode="edge")
        responses.append(
            [
                np.abs(fftconvolve(padded, _gabor(frequency, turn, radius), mode="valid")).astype(
                    np.float32
                )
                for turn in np.arange(ORIENTATIONS) * np.pi / ORIENTATIONS
            ]
        )
    return responses


def _gabor(frequency: float, turn: float, radius: int) -> NDArray[np.complex64]:
    """Complex, of zero mean and an octave's bandwidth."""
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    across = x * np.cos(turn) + y * np.sin(turn)
    envelope = np.exp(-(x**2 + y**2) / (2 * (0.56 / frequency) ** 2))
    wave = np.exp(2j * np.pi * frequency * across)
    kernel = envelope * (wave - (envelope * wave).sum() / envelope.sum())
    normed: NDArray[np.complex64] = (kernel / envelope.sum()).astype(np.complex64)
    return normed


def _rarity(plane: Plane) -> Plane:
    """How seldom each value is: the sum over scales of -log of its share of the pixels."""
    total = np.zeros(plane.shape, np.float32)
    rows, columns = plane.shape
    for level in range(LEVELS):
        small = resize(plane, max(4, rows >> level), max(4, columns >> level))
        bins = np.minimum((stretched(small) * BINS).astype(int), BINS - 1)
        shares = np.bincount(bins.ravel(), minlength=BINS) / bins.size
        rare = -np.log(np.maximum(shares[bins], 1.0 / bins.size))
        total += resize(rare, rows, columns)
    return stretched(total)


def _fuse(maps: list[Plane]) -> Plane:
    """Maps added, each weighed by its efficiency (max - mean)² and its rank among them."""
    efficiencies = np.array([float((one.max() - one.mean()) ** 2) for one in maps])
    greatest = float(efficiencies.max())
    if greatest == 0.0:
        return np.zeros_like(maps[0])
    total = np.zeros(maps[0].shape)
    for rank, place in enumerate(np.argsort(efficiencies, kind="stable"), start=1):
        if efficiencies[place] >= THRESHOLD * greatest:
            total += maps[place] * efficiencies[place] * rank / len(maps)
    return stretched(total)
