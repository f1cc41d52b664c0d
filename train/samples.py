"""The samples of a training step, and their augmentation.

They depend only on the seed and the number of the step, so that they are the same after a resume
and for any number of processes.
"""

from __future__ import annotations

import io

import numpy as np
from numpy.random import Generator
from PIL import Image, ImageFilter

from train.pictures import Corpus, Picture
from train.recipe import Fit, Stage

__all__ = ["Samples", "degrade", "photometric", "stage_at"]

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
        # Where a picture has both labels: the mask, or the mean of the two.
        masks = [mask for mask in (picture.mask, picture.teacher) if mask is not None]
        if len(masks) == 2 and rng.random() < 0.5:
            masks = masks[:1]
        label = sum(np.asarray(part(mask), np.uint16) for mask in masks) // len(masks)
        full = np.full((height, width), 255, np.uint8)
        weight = full if picture.border is None else np.asarray(part(picture.border))
        if rng.random() < fit.photometric:
            rgb = photometric(rgb, rng)
        shown = degrade(rgb, rng) if rng.random() < fit.degrade else rgb
        planes = np.dstack([np.asarray(shown), label, weight]).astype(np.uint8)
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


def photometric(image: Image.Image, rng: Generator) -> Image.Image:
    """Brightness, contrast, gamma and colour balance varied; one picture in twelve is grey."""
    if rng.random() < 0.08:
        image = image.convert("L").convert("RGB")
    curve = np.linspace(0.0, 1.0, 256) ** np.exp(rng.uniform(-0.4, 0.4))
    curve = (curve - 0.5) * rng.uniform(0.65, 1.35) + 0.5 + rng.uniform(-0.15, 0.15)
    tables = np.outer(rng.uniform(0.9, 1.1, 3), curve)
    return image.point(np.clip(np.round(255.0 * tables), 0, 255).astype(int).ravel().tolist())


def degrade(image: Image.Image, rng: Generator) -> Image.Image:
    """A lower resolution and back, JPEG, noise or blur; often two of them."""
    size = image.size
    kind = int(rng.integers(4))
    if kind <= 1:
        scale = rng.uniform(0.45, 1.0)
        less = (max(8, round(size[0] * scale)), max(8, round(size[1] * scale)))
        image = image.resize(less, Image.Resampling.BILINEAR)
        if kind == 0:
            buffer = io.BytesIO()
            image.save(buffer, "JPEG", quality=int(rng.integers(10, 65)))
            image = Image.open(buffer).convert("RGB")
        return image.resize(size, Image.Resampling.BICUBIC)
    if kind == 2:
        noise = rng.standard_normal((size[1], size[0], 3), np.float32)
        noisy = np.asarray(image) + noise * np.float32(rng.uniform(1.0, 12.0)) + 0.5
        return Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8))
    return image.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.4, 1.6))))
