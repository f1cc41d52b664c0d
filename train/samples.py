"""The samples of a training step, and their augmentation.

They depend only on the seed and the number of the step, so that they are the same after a resume
and for any number of processes.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.random import Generator
from PIL import Image

from train.augment import degrade, photometric
from train.pictures import Corpus, Picture
from train.recipe import Fit, Stage

__all__ = ["Samples", "stage_at"]

ASPECT_CLASSES = (0.85, 1.2, 1.55)
"""Limits between portrait, square, 4:3 and wide pictures; a batch holds pictures of one class."""


def stage_at(fit: Fit, step: int) -> Stage:
    """The stage that a step belongs to."""
    return next((s for s in fit.stages if step < s.until * fit.steps), fit.stages[-1])


class Samples:
    """All steps of a run.

    Args:
        stride: heights and widths are multiples of it.
    """

    def __init__(self, corpus: Corpus, fit: Fit, stride: int) -> None:
        self._corpus, self._fit, self._stride = corpus, fit, stride
        classes = np.digitize([p.aspect for p in corpus.pictures], ASPECT_CLASSES)
        self._classes = [np.flatnonzero(classes == c) for c in np.unique(classes)]
        self._shares = np.array([corpus.weights[c].sum() for c in self._classes])
        self._shares /= self._shares.sum()

    def draw(self, step: int, rank: int = 0, size: int = 1) -> tuple[np.ndarray, np.ndarray | None]:
        """The samples of a step.

        Args:
            rank, size: of this process among those that share the batch.
        Returns:
            uint8 [N, H, W, 5]: R, G, B, label, weight in the loss; and, in steps with twins, the
            degraded pictures, uint8 [N, H, W, 3].
        """
        rng = np.random.default_rng([self._fit.seed, step])
        stage = stage_at(self._fit, step)
        members = self._classes[rng.choice(len(self._classes), p=self._shares)]
        odds = self._corpus.weights[members]
        chosen = rng.choice(members, self._fit.batch, p=odds / odds.sum())
        side = int(rng.choice(stage.sides))
        typical = float(np.median([self._corpus.pictures[i].aspect for i in chosen]))
        height, width = self._rectangle(side, typical, rng)
        twins = bool(rng.random() < stage.twins)
        planes, copies = [], []
        for position in range(rank, len(chosen), size):
            own = np.random.default_rng([self._fit.seed, step, position])
            sample, twin = self._sample(chosen[position], height, width, twins, own)
            planes.append(sample)
            copies.append(twin)
        return np.stack(planes), np.stack(copies) if twins else None

    def _rectangle(self, side: int, typical: float, rng: Generator) -> tuple[int, int]:
        """Height and width near the pictures' aspect; the shorter is `side`."""
        near = sorted(self._fit.aspects, key=lambda a: abs(np.log(a / typical)))[:2]
        aspect = float(rng.choice(near))
        longer = self._stride * round(side * max(aspect, 1.0 / aspect) / self._stride)
        return (side, longer) if aspect >= 1.0 else (longer, side)

    def _sample(
        self, index: int, height: int, width: int, twin: bool, rng: Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        picture, fit = self._corpus.pictures[index], self._fit
        box = _window(picture, width / height, fit.crop, rng)
        size = (width, height)

        def part(plane: Image.Image) -> Image.Image:
            return plane.resize(size, Image.Resampling.BILINEAR, box)

        rgb = part(picture.image)
        label = _label(picture, part, rng)
        full = np.full((height, width), 255, np.uint8)
        weight = full if picture.border is None else np.asarray(part(picture.border))
        if rng.random() < fit.photometric:
            rgb = photometric(rgb, rng)
        shown = degrade(rgb, rng) if rng.random() < fit.degrade else rgb
        planes = np.dstack([np.asarray(shown), label, weight])
        copy = np.asarray(degrade(rgb, rng)) if twin else planes[..., :0]
        if rng.random() < 0.5:
            planes, copy = planes[:, ::-1], copy[:, ::-1]
        return planes, copy


def _window(
    picture: Picture, aspect: float, smallest: float, rng: Generator
) -> tuple[float, float, float, float]:
    """A crop (left, top, right, bottom) whose aspect lies between the picture's and `aspect`."""
    width, height = picture.image.size
    if smallest == 1.0:
        return 0.0, 0.0, float(width), float(height)
    towards = (aspect / picture.aspect) ** rng.random()
    w, h = width * min(1.0, towards), height * min(1.0, 1.0 / towards)
    share = rng.uniform(smallest, 1.0)
    w, h = max(1.0, w * share), max(1.0, h * share)
    left, top = rng.random() * (width - w), rng.random() * (height - h)
    return left, top, left + w, top + h


def _label(
    picture: Picture, part: Callable[[Image.Image], Image.Image], rng: Generator
) -> np.ndarray:
    """The label of a sample: the mask or the mean of both where there are two; uint8 [H, W]."""
    masks = [m for m in (picture.mask, picture.teacher) if m is not None]
    if len(masks) == 2 and rng.random() < 0.5:
        masks = masks[:1]
    parts = [np.asarray(part(m), np.uint16) for m in masks]
    total = parts[0] if len(parts) == 1 else parts[0] + parts[1]
    return (total // len(parts)).astype(np.uint8)
