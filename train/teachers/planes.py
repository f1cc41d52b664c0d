"""What several teachers share: colour spaces, resizing, blurring, stretching."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import correlate1d

__all__ = ["blur", "correlate", "lab", "resize", "stretched"]

Plane = NDArray[np.float32]


def stretched(plane: NDArray[np.floating]) -> Plane:
    """A plane moved and scaled to [0, 1]; zeros where it is constant."""
    low, high = float(plane.min()), float(plane.max())
    if high - low <= 1e-12 * max(1.0, abs(high)):
        return np.zeros(plane.shape, np.float32)
    return ((plane - low) / (high - low)).astype(np.float32)


def resize(plane: NDArray[np.floating], height: int, width: int) -> Plane:
    """Bicubic, with area support where it shrinks, as MATLAB's imresize (Pillow)."""
    image = Image.fromarray(np.ascontiguousarray(plane, np.float32))
    return np.asarray(image.resize((width, height), Image.Resampling.BICUBIC), np.float32)


def blur(plane: NDArray[np.floating], sigma: float, radius: int, mode: str = "constant") -> Plane:
    """Gaussian blur, the kernel cut at `radius` and normalised to sum 1.

    Args:
        sigma: in pixels.
        radius: the kernel has 2 · radius + 1 taps.
        mode: of the border, as scipy.ndimage has it; "constant" is zero.
    """
    taps = np.exp(-(np.arange(-radius, radius + 1) ** 2) / (2.0 * sigma * sigma))
    taps /= taps.sum()
    rows = correlate1d(np.asarray(plane, np.float32), taps, axis=0, mode=mode)
    blurred: Plane = correlate1d(rows, taps, axis=1, mode=mode)
    return blurred


def correlate(image: Plane, kernels: Plane) -> Plane:
    """Correlation of a picture with kernels, summed over its channels, where they fit whole.

    Args:
        image: float32 [H, W, C].
        kernels: float32 [n, p, p, C].
    Returns:
        float32 [n, H - p + 1, W - p + 1].
    """
    size = kernels.shape[1]
    flat = kernels.reshape(len(kernels), -1)
    rows, columns = image.shape[0] - size + 1, image.shape[1] - size + 1
    found = np.empty((len(kernels), rows, columns), np.float32)
    for row in range(rows):
        # One row of patches at a time: all of them would be n times the picture's memory.
        patches = sliding_window_view(image[row : row + size], (size, size), (0, 1))[0]
        found[:, row] = flat @ patches.transpose(2, 3, 1, 0).reshape(-1, columns)
    return found


def lab(rgb: NDArray[np.uint8]) -> Plane:
    """CIE L*a*b* of an sRGB picture, white D65.

    Returns:
        float32 [H, W, 3]; L* from 0 to 100.
    Source: IEC 61966-2-1 (sRGB) and CIE 15.
    """
    scaled = rgb.astype(np.float64) / 255.0
    linear = np.where(scaled <= 0.04045, scaled / 12.92, ((scaled + 0.055) / 1.055) ** 2.4)
    to_xyz = np.array(
        [
            [0.4124564, 0.3575761, 0.1804375],
            [0.2126729, 0.7151522, 0.0721750],
            [0.0193339, 0.1191920, 0.9503041],
        ]
    )
    xyz = linear @ to_xyz.T / np.array([0.95047, 1.0, 1.08883])
    f = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    x, y, z = f[..., 0], f[..., 1], f[..., 2]
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=2).astype(np.float32)
