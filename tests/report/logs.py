"""Logs for the tests of the report."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

from vmafsal.features.frame import FrameFeatures
from vmafsal.logs import Log

__all__ = ["log_of"]


def log_of(columns: Mapping[str, ArrayLike], start: int = 0) -> Log:
    """A log whose frames are numbered from `start`; all columns have the same length."""
    arrays = {name: np.asarray(values, np.float64) for name, values in columns.items()}
    count = len(next(iter(arrays.values())))
    frames = [
        FrameFeatures(start + place, {name: float(array[place]) for name, array in arrays.items()})
        for place in range(count)
    ]
    return Log(version="test", fps=25.0, width=64, height=48, frames=frames)
