"""Planes to the tensor that a model sees: matrices, ranges, depths, each with its standard."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vmafsal.models.sidecar import IMAGENET_MEAN, IMAGENET_STD, ColorMatrix, InputPolicy
from vmafsal.video.frame import CHROMA_SHIFT, Frame

__all__ = [
    "MATRICES",
    "conversion",
    "frame_to_tensor",
    "matrix_of",
    "normalise",
    "to_eight_bits",
]

Floats = NDArray[np.float32]


def matrix_from_luma(kr: float, kb: float) -> tuple[float, float, float, float]:
    """Factors (R from V, G from U, G from V, B from U) of a Y'CbCr matrix.

    Args:
        kr, kb: the luma coefficients of red and blue.
    Source: ITU-R BT.709-6, item 3.2-3.3, solved for R, G, B.
    """
    kg = 1 - kr - kb
    return 2 * (1 - kr), 2 * kb * (1 - kb) / kg, 2 * kr * (1 - kr) / kg, 2 * (1 - kb)


MATRICES: dict[str, tuple[float, float, float, float]] = {
    # BT.709's factors for the *analogue* U and V, applied to Cb and Cr: what libvmaf's mobilesal
    # does, and so what parity with it needs. It is not the standard's matrix.
    "libvmaf": (1.28033, 0.21482, 0.38059, 2.12798),
    # ITU-R BT.709-6, item 3.2
    "bt709": matrix_from_luma(0.2126, 0.0722),
    # ITU-R BT.601-7, 2.5.1
    "bt601": matrix_from_luma(0.299, 0.114),
    # ITU-R BT.2020-2, table 4, non-constant luminance
    "bt2020": matrix_from_luma(0.2627, 0.0593),
}
"""(R from V, G from U, G from V, B from U); the signs are +, -, -, +."""

_STRIP_SAMPLES = 32_768
# A strip of rows of this many samples keeps every intermediate array inside the L2 cache.


def matrix_of(frame: Frame, color: ColorMatrix) -> str:
    """The matrix to use for a frame: "auto" is the frame's own tag, else bt709."""
    return (frame.matrix or "bt709") if color == "auto" else color


def to_eight_bits(plane: NDArray[Any], bit_depth: int) -> NDArray[Any]:
    """Round samples to 8 bits.

    Args:
        plane: uint8, or uint16 with the samples in the low bits.
        bit_depth: 8 to 16.
    Returns:
        values 0 to 255, of the plane's type: (v + half) >> (bit_depth - 8), saturated.
    """
    if bit_depth == 8:
        return plane
    shift = bit_depth - 8
    # Saturating first keeps the sum inside 16 bits.
    kept = np.minimum(plane, np.uint16(255 << shift))
    rounded: NDArray[Any] = (kept + np.uint16(1 << (shift - 1))) >> np.uint16(shift)
    return rounded


def normalise(
    rgb: NDArray[Any],
    mean: tuple[float, float, float] = IMAGENET_MEAN,
    std: tuple[float, float, float] = IMAGENET_STD,
    out: Floats | None = None,
) -> Floats:
    """Scale 8-bit RGB planes to the range a network was trained on.

    Args:
        rgb: [3, H, W] or [N, 3, H, W], values 0 to 255 (uint8, or floats that are whole).
        mean, std: of R, G and B, for values in [0, 1].
        out: float32 of the same shape to write to.
    Returns:
        float32: (rgb * (1/255) - mean) * (1/std).
    """
    out = np.empty(rgb.shape, np.float32) if out is None else out
    np.multiply(rgb, np.float32(1) / np.float32(255), out=out, casting="unsafe")
    out -= np.array(mean, np.float32)[:, None, None]
    out *= np.float32(1) / np.array(std, np.float32)[:, None, None]
    return out


def conversion(frame: Frame, policy: InputPolicy) -> Floats:
    """The numbers that take a YUV or gray frame to RGB.

    Args:
        frame: its tags count where the policy leaves matrix or range to them.
        policy: matrix and range.
    Returns:
        float32 [7]: black level of luma, scale of luma, scale of chroma, and the matrix as in
        MATRICES.
    """
    full = frame.full_range is True if policy.range == "auto" else policy.range == "full"
    # Limited range: black 16, 219 steps of luma, 224 of chroma (ITU-R BT.709-6, item 4.6)
    black, luma_steps, chroma_steps = (0, 255, 255) if full else (16, 219, 224)
    one = np.float32(1)
    scales = (one / np.float32(luma_steps), one / np.float32(chroma_steps))
    return np.array((black, *scales, *MATRICES[matrix_of(frame, policy.color)]), np.float32)


def frame_to_tensor(frame: Frame, policy: InputPolicy, out: Floats) -> None:
    """Convert a frame to normalised RGB, with every rounding of the C extractor.

    Samples are brought to 8 bits, converted by the policy's matrix and range, clamped, rounded
    to 8-bit RGB, and normalised. Chroma is replicated, not interpolated.

    Args:
        frame: no gap.
        policy: matrix, range, mean and std.
        out: float32 [3, height, width] to write to (rows may be further apart).
    Source: libvmaf feature_mobilesal, in float32 throughout.
    """
    rows = max(2, _STRIP_SAMPLES // frame.width // 2 * 2)
    if frame.chroma == "rgb":
        for top in range(0, frame.height, rows):
            strip = slice(top, top + rows)
            for channel, plane in enumerate(frame.planes):
                out[channel, strip] = to_eight_bits(plane[strip], frame.bit_depth)
            normalise(out[:, strip], policy.mean, policy.std, out[:, strip])
        return
    numbers = conversion(frame, policy)
    for top in range(0, frame.height, rows):
        target = out[:, top : top + rows]
        _strip_to_rgb(frame, top, target, numbers)
        target *= np.float32(255)
        target += np.float32(0.5)
        # x -> floor(255x + 0.5) grows with x: clamping here equals clamping x to [0, 1] before.
        np.clip(target, 0.5, 255.5, out=target)
        np.trunc(target, out=target)
        normalise(target, policy.mean, policy.std, target)


def _strip_to_rgb(frame: Frame, top: int, out: Floats, numbers: Floats) -> None:
    """Rows from `top` on as unclamped RGB in [0, 1], to `out` [3, rows, width]."""
    rows, width = out.shape[1:]
    black, luma_scale, chroma_scale, red_v, green_u, green_v, blue_u = numbers
    luma = _centred(frame.planes[0][top : top + rows], frame.bit_depth, black, luma_scale)
    if frame.chroma == "400":
        out[:] = luma
        return
    down, right = CHROMA_SHIFT[frame.chroma]
    chroma_rows = slice(top >> down, (top + rows + down) >> down)
    u, v = (
        _centred(plane[chroma_rows], frame.bit_depth, np.float32(128), chroma_scale)
        for plane in frame.planes[1:]
    )

    def spread(chroma: Floats) -> Floats:
        """Replicate chroma samples over the pixels that share them."""
        if right:
            chroma = np.stack((chroma, chroma), axis=-1).reshape(len(chroma), -1)[:, :width]
        return np.repeat(chroma, 2, axis=0)[:rows] if down else chroma

    np.add(luma, spread(red_v * v), out=out[0])
    np.subtract(luma, spread(green_u * u), out=out[1])
    out[1] -= spread(green_v * v)
    np.add(luma, spread(blue_u * u), out=out[2])


def _centred(plane: NDArray[Any], bit_depth: int, offset: np.float32, scale: np.float32) -> Floats:
    samples = to_eight_bits(plane, bit_depth).astype(np.float32)
    samples -= offset
    samples *= scale
    return samples
