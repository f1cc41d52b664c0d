"""Pictures as PNG files."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["encode_png"]


def encode_png(picture: NDArray[Any]) -> bytes:
    """A picture as a PNG file, without loss.

    Args:
        picture: uint8 [H, W, 3] in RGB, or uint8 or uint16 [H, W] in gray.
    """
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(picture)).save(buffer, "PNG")
    return buffer.getvalue()
