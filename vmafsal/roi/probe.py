"""Whether an encoder heeds regions of interest under given settings, by trying it."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

from vmafsal.errors import UsageError
from vmafsal.roi.encoder import BLOCK, Encoder, Encoding, Shape
from vmafsal.video.frame import Chroma, Frame, chroma_size

__all__ = ["check_effect"]

_OFF = {
    "libx264": "the preset ultrafast, tune=psnr",
    "libx265": "the presets ultrafast and superfast, tune=grain",
}
"""What switches adaptive quantisation off without saying so; found by this very check."""
_SIDE = 64
_FRAMES = 3


def check_effect(encoding: Encoding, shape: Shape, chroma: Chroma) -> None:
    """Encode a few small pictures with and without offsets, and compare.

    Args:
        encoding: how to encode.
        shape: of the video; its size is left aside.
        chroma: of the video.
    Raises:
        UsageError: if the offsets change no byte, or the encoder does not take the settings.
    """
    small = replace(shape, width=_SIDE, height=_SIDE)
    offsets = np.full((_SIDE // BLOCK,) * 2, 4, np.int8)
    offsets[1:3, 1:3] = -6
    if _digest(encoding, small, chroma, offsets) != _digest(encoding, small, chroma, None):
        return
    options = [f"{name}={value}" for name, value in encoding.options.items()]
    settings = ", ".join([f"--preset {encoding.preset}", *options])
    if encoding.crf is not None:
        settings += f", --crf {encoding.crf:g}"
    raise UsageError(
        f"{encoding.codec} ignores regions of interest with {settings}: they need adaptive "
        f"quantisation, which {_OFF[encoding.codec]}, aq-mode=0, a constant qp and lossless coding "
        "switch off. Change that setting."
    )


def _digest(
    encoding: Encoding, shape: Shape, chroma: Chroma, offsets: NDArray[np.int8] | None
) -> bytes:
    import av

    random = np.random.default_rng(0)
    high = 1 << shape.bit_depth
    sizes = [(_SIDE, _SIDE)]
    if chroma != "400":
        sizes += [chroma_size(_SIDE, _SIDE, chroma)] * 2
    dtype = np.uint8 if shape.bit_depth <= 8 else np.uint16
    # Noise on a slope: detail for the quantiser to lose.
    planes = tuple(
        (random.integers(0, high // 4, size) + np.arange(size[1]) * (high // 2 // size[1])).astype(
            dtype
        )
        for size in sizes
    )
    digest = sha256()
    with av.open("probe", "w", format="null") as container:
        encoder = Encoder(container, shape, encoding)
        for index in range(_FRAMES):
            frame = Frame(planes, chroma, shape.bit_depth, index)
            for packet in encoder(frame, offsets):
                digest.update(bytes(packet))
        for packet in encoder.flush():
            digest.update(bytes(packet))
    return digest.digest()
