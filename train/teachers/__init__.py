"""The classic saliency models: what a student of the toolbox learns from.

Each module holds one model behind one interface: `saliency(rgb)`, uint8 [H, W, 3] to float32
[H, W], the larger the more salient, in the model's own unit. All are written from their papers.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

import numpy as np
from numpy.typing import NDArray

from vmafsal.errors import UsageError

__all__ = ["TEACHERS", "load_teacher"]

Teacher = Callable[[NDArray[np.uint8]], NDArray[np.float32]]

TEACHERS = {
    "aim": "Attention by Information Maximization",
    "bms": "Boolean Map based Saliency",
    "gbvs": "Graph-Based Visual Saliency",
    "ikn": "Itti, Koch and Niebur's model of saliency-based attention",
    "imsig": "Image Signature",
    "rare2012": "RARE2012, multi-scale rarity (approximate)",
    "sun": "Saliency Using Natural statistics",
}
"""Name of each teacher, and of the model behind it."""


def load_teacher(name: str) -> Teacher:
    """The function of a teacher.

    Args:
        name: one of TEACHERS.
    Raises:
        UsageError: if there is none of that name.
    """
    if name not in TEACHERS:
        raise UsageError(f"There is no teacher {name}. Choose {', '.join(TEACHERS)}.")
    teacher: Teacher = import_module(f"train.teachers.{name}").saliency
    return teacher
