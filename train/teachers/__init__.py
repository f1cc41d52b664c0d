"""The classic saliency models: what a student of the toolbox learns from.

Each module holds one model behind one interface: `saliency(rgb)`, uint8 [H, W, 3] to float32
[H, W], the larger the more salient, in the model's own unit. All are written from their papers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from train.teachers.planes import stretched
from vmafsal.errors import UsageError

__all__ = ["TEACHERS", "Classic", "load_teacher", "teach"]

Teacher = Callable[[NDArray[np.uint8]], NDArray[np.float32]]


@dataclass(frozen=True)
class Classic:
    """A classic model as a teacher."""

    what: str
    """The model's full name."""
    short_side: int
    """Pictures are resampled to this short side, in pixels, before the model sees them; part of
    the teacher's definition, as all of these models depend on the size."""


TEACHERS = {
    "aim": Classic("Attention by Information Maximization", 240),
    "bms": Classic("Boolean Map based Saliency", 320),
    "gbvs": Classic("Graph-Based Visual Saliency", 320),
    "ikn": Classic("Itti, Koch and Niebur's model of saliency-based attention", 320),
    "imsig": Classic("Image Signature", 320),
    "rare2012": Classic("RARE2012, multi-scale rarity (approximate)", 320),
    "sun": Classic("Saliency Using Natural statistics", 240),
}
"""The teachers by name. AIM and SUN count every pixel: their patches have 21 and 11 pixels at half
of 480 lines, the scale of SUN's authors. The others resample the picture themselves."""


def load_teacher(name: str) -> Teacher:
    """The function of a teacher, for pictures of any size.

    Args:
        name: one of TEACHERS.
    Raises:
        UsageError: if there is none of that name.
    """
    if name not in TEACHERS:
        raise UsageError(f"There is no teacher {name}. Choose {', '.join(TEACHERS)}.")
    teacher: Teacher = import_module(f"train.teachers.{name}").saliency
    return teacher


def teach(name: str, image: Image.Image) -> NDArray[np.float32]:
    """A teacher's map of a picture, seen at the teacher's short side and stretched to [0, 1].

    Args:
        name: one of TEACHERS.
        image: RGB.
    Returns:
        float32 [h, w] at that short side.
    Raises:
        UsageError: if there is no such teacher.
    """
    teacher = load_teacher(name)
    scale = TEACHERS[name].short_side / min(image.size)
    size = round(image.width * scale), round(image.height * scale)
    return stretched(teacher(np.asarray(image.resize(size, Image.Resampling.BILINEAR))))
