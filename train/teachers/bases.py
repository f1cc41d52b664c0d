"""The bases of AIM and SUN: independent components of patches of natural pictures.

`python -m train.teachers.bases DIR` learns both from the pictures of a folder and writes them
beside this module. They are small (under 200 KB together) and ship with the training code.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from train.data import images_in, read_rgb

__all__ = ["Basis", "fit_generalised_gaussian", "learn_basis", "load_basis", "main", "unit_of"]

_FILE = Path(__file__).with_name("bases.npz")
_SIZES = {"aim": (21, 25), "sun": (11, 100)}
"""Of each basis: side of a patch in pixels, components."""
PATCHES = 27_000
"""Patches that a basis is learnt from."""
SEED = 42


@dataclass(frozen=True)
class Basis:
    """Filters, and how their responses to natural pictures are distributed."""

    kernels: NDArray[np.float32]
    """[n, p, p, 3], each of zero mean."""
    sigmas: NDArray[np.float32]
    """[n], scale of each response's generalised Gaussian."""
    thetas: NDArray[np.float32]
    """[n], its shape: 2 for a Gaussian, less for heavy tails."""


@cache
def load_basis(name: str) -> Basis:
    """The basis of "aim" or "sun" that ships with the training code."""
    with np.load(_FILE) as stored:
        kernels = stored[f"{name}_kernels"].astype(np.float32)
        # The half precision of the file leaves them a mean of about 1e-5.
        kernels -= kernels.mean(axis=(1, 2, 3), keepdims=True)
        return Basis(kernels, stored[f"{name}_sigmas"], stored[f"{name}_thetas"])


def learn_basis(
    pictures: Sequence[NDArray[np.floating]], side: int, components: int, patches: int, seed: int
) -> Basis:
    """Independent components of random patches.

    Args:
        pictures: float [H, W, 3], in the unit in which the model sees them, each at least `side`
            on both sides.
        side: of a patch, in pixels.
        components: how many.
        patches: how many patches are drawn.
        seed: of the draws and of FastICA.
    Source: Hyvärinen, "Fast and robust fixed-point algorithms for independent component analysis"
        (IEEE Transactions on Neural Networks 1999), as scikit-learn has it.
    """
    from sklearn.decomposition import FastICA

    rng = np.random.default_rng(seed)
    drawn = np.empty((patches, side * side * 3), np.float32)
    for row in drawn:
        picture = pictures[int(rng.integers(len(pictures)))]
        y = int(rng.integers(picture.shape[0] - side + 1))
        x = int(rng.integers(picture.shape[1] - side + 1))
        row[:] = picture[y : y + side, x : x + side].reshape(-1)
    drawn -= drawn.mean(axis=1, keepdims=True)
    ica = FastICA(components, whiten="unit-variance", max_iter=400, tol=1e-3, random_state=seed)
    responses = ica.fit_transform(drawn)
    kernels = np.asarray(ica.components_, np.float32)
    kernels -= kernels.mean(axis=1, keepdims=True)
    fits = [fit_generalised_gaussian(responses[:, i]) for i in range(components)]
    return Basis(
        kernels.reshape(components, side, side, 3),
        np.array([sigma for sigma, _ in fits], np.float32),
        np.array([theta for _, theta in fits], np.float32),
    )


def unit_of(name: str, rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
    """A picture in the unit in which a model sees it, its mean subtracted.

    Args:
        name: "aim" divides by 255; "sun" divides by the picture's standard deviation.
        rgb: uint8 [H, W, 3].
    Returns:
        float32 [H, W, 3].
    """
    values = rgb.astype(np.float32)
    # A uniform picture has no deviation to divide by.
    scale = 255.0 if name == "aim" else max(float(values.std(ddof=1)), 1.0)
    # No response changes by a constant, as each kernel's sum is 0; but the rounding of one would.
    centred: NDArray[np.float32] = (values - values.mean()) / np.float32(scale)
    return centred


def fit_generalised_gaussian(values: NDArray[np.floating]) -> tuple[float, float]:
    """Scale and shape of p(s) ∝ exp(-|s/sigma|^theta), from the first two absolute moments.

    Returns:
        (sigma, theta), theta between 0.3 and 4.
    Source: Sharifi, Leon-Garcia (IEEE Transactions on Circuits and Systems for Video Technology
        1995): E[s²]/E[|s|]² = Γ(1/θ)Γ(3/θ)/Γ(2/θ)².
    """
    from scipy.optimize import brentq
    from scipy.special import gamma

    second = float(np.mean(np.square(values, dtype=np.float64)))
    wanted = second / float(np.mean(np.abs(values))) ** 2

    def apart(theta: float) -> float:
        return float(gamma(1 / theta) * gamma(3 / theta) / gamma(2 / theta) ** 2 - wanted)

    low, high = 0.3, 4.0
    theta = low if apart(low) < 0 else high if apart(high) > 0 else float(brentq(apart, low, high))
    return float(np.sqrt(second * gamma(1 / theta) / gamma(3 / theta))), theta


def main(folder: Path) -> None:
    """Learn both bases from the pictures of a folder and write them."""
    pictures = [read_rgb(path) for path in images_in(folder).values()]
    stored: dict[str, Any] = {}
    for name, (side, components) in _SIZES.items():
        usable = [unit_of(name, one) for one in pictures if min(one.shape[:2]) >= side]
        basis = learn_basis(usable, side, components, PATCHES, SEED)
        stored[f"{name}_kernels"] = basis.kernels.astype(np.float16)
        stored[f"{name}_sigmas"], stored[f"{name}_thetas"] = basis.sigmas, basis.thetas
    np.savez_compressed(_FILE, **stored)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
