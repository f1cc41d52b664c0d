"""Where a new scene begins, by how much the picture changes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["CutDetector"]

_LEAST_CHANGE = 0.06
_LEAST_RATIO = 2.0
# A cut changes the brightness of the blocks by this share of the range from black to white, and
# by this many times as much as the frame before it did: fast motion goes on, a cut does not.


class CutDetector:
    """Looks at the frames of a video, in order."""

    def __init__(self) -> None:
        self._last: NDArray[np.float32] | None = None
        self._last_change = 0.0

    def __call__(self, brightness: NDArray[np.float32]) -> bool:
        """Whether the next frame begins a new scene; the first frame does not.

        Args:
            brightness: mean luma of each block of the frame, float32 [rows, columns], each in
                [0, 1].
        """
        last, self._last = self._last, brightness
        if last is None:
            return False
        change, before = float(np.abs(brightness - last).mean()), self._last_change
        self._last_change = change
        return change > _LEAST_CHANGE and change > _LEAST_RATIO * before
