"""Objects cut from labelled images and pasted on other scenes, with distractors beside them.

What is learnt from whole pictures of pets and people is "dog" and "person", in the middle of the
frame. A cut-out of any size on a cluttered scene teaches what stands out; a blob of foreign
texture with the same feathered edge, labelled background, keeps the edge from giving it away.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter

from train.augment import Augment, crop_resized, photometric, resize_planes
from train.data import Item, Items

__all__ = ["Composer", "Composition", "blob", "cut_confident", "cut_out", "harmonised", "paste"]

OBJECTS = (0.12, 0.63, 0.25)
"""Probabilities of no, one, two objects on a scene."""
OBJECT_SIZE = (0.15, 0.85)
"""Longest side of an object, as a share of the crop's side."""
DISTRACTORS = 4
"""At most one fewer than this many blobs on a scene."""
MIN_OBJECT_SHARE = 0.01
"""An object smaller than this share of its own image is not worth pasting."""
MAX_OBJECT_SHARE = 0.5
"""A softly labelled object larger than this share of its image is rather the scene."""
UNWATCHED = 0.25
"""Probability that a pasted object is one that nobody looks at, for a teacher told the gaze."""
CONFIDENT = 0.75
"""Mean soft label of an object that is taken for one without a person having said so."""


@dataclass(frozen=True)
class Composition:
    """How composites are made; the defaults are the plain way."""

    object_size: tuple[float, float] = OBJECT_SIZE
    log_size: bool = False
    """Sizes are drawn log-uniformly: as many objects between 0.1 and 0.2 as from 0.4 to 0.8."""
    by_set: bool = False
    """Objects are drawn as often as the weights of their sets say, and confident ones are cut
    from softly labelled images too; else from every hard-labelled image alike."""
    quiet_scenes: bool = False
    """Whatever a scene itself shows is background, its doubtful parts weighing little; else its
    own label holds."""
    harmony: float = 0.0
    """How far, at most, the colours of what is pasted move to those of the scene under it: at 1
    they may get its mean and deviation."""


def cut_out(item: Item) -> np.ndarray | None:
    """The tight box around an image's object as uint8 [h, w, 4], alpha from the label.

    Returns:
        None where there is no object, or next to none.
    """
    solid = item.label > 127
    if solid.mean() < MIN_OBJECT_SHARE:
        return None
    rows, columns = np.flatnonzero(solid.any(1)), np.flatnonzero(solid.any(0))
    box = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
    return np.dstack([item.image[box], item.label[box]])


def cut_confident(item: Item) -> np.ndarray | None:
    """The largest connected piece of a soft label as uint8 [h, w, 4], if it is no doubtful one.

    Returns:
        None where it is too small, too large, or its mean label is below CONFIDENT.
    """
    from scipy.ndimage import find_objects, label

    pieces, count = label(item.label > 127)
    if count == 0:
        return None
    largest = int(np.bincount(pieces.ravel())[1:].argmax()) + 1
    inside = pieces == largest
    if not MIN_OBJECT_SHARE <= inside.mean() <= MAX_OBJECT_SHARE:
        return None
    if item.label[inside].mean() < 255.0 * CONFIDENT:
        return None
    box = find_objects(pieces)[largest - 1]
    return np.dstack([item.image[box], np.where(inside[box], 255, 0).astype(np.uint8)])


def blob(side: int, rng: np.random.Generator) -> np.ndarray:
    """A random shape with a soft edge, uint8 [side, side], in the middle of its square."""
    cells = int(rng.integers(3, 7))
    noise = Image.fromarray(rng.random((cells, cells), np.float32))
    field = np.asarray(noise.resize((side, side), Image.Resampling.BICUBIC))
    axis = np.linspace(-1.0, 1.0, side, dtype=np.float32)
    radius = np.sqrt(axis[:, None] ** 2 + axis[None] ** 2)
    shape = field + 0.6 * (1.0 - radius) > 0.65
    return np.where(shape & (radius < 0.98), 255, 0).astype(np.uint8)


def feather(alpha: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The edge of an alpha plane softened by about a pixel."""
    blur = ImageFilter.GaussianBlur(float(rng.uniform(0.5, 1.4)))
    return np.asarray(Image.fromarray(np.ascontiguousarray(alpha)).filter(blur))


def harmonised(
    rgb: np.ndarray, alpha: np.ndarray, under: np.ndarray, strength: float
) -> np.ndarray:
    """A patch whose mean and deviation, of each channel, move to those of what it will cover.

    So that an object is not told from its scene by light and colour alone, as it is not in a wood.

    Args:
        rgb: uint8 [h, w, 3].
        alpha: uint8 [h, w]; colours are taken where it is above 127.
        under: uint8 [h', w', 3], the scene there.
        strength: 0 changes nothing, 1 takes the scene's mean and deviation.
    Returns:
        uint8 [h, w, 3].
    """
    own = rgb[alpha > 127].astype(np.float32)
    scene = under.reshape(-1, 3).astype(np.float32)
    if not own.size or not scene.size:
        return rgb
    mean, spread = own.mean(0), own.std(0) + 1.0
    to_mean = mean + strength * (scene.mean(0) - mean)
    to_spread = spread + strength * (scene.std(0) + 1.0 - spread)
    # A smooth sky does not iron an object flat.
    to_spread = np.maximum(to_spread, 0.4 * spread)
    moved = (rgb.astype(np.float32) - mean) * (to_spread / spread) + to_mean
    shown: np.ndarray = np.clip(np.round(moved), 0, 255).astype(np.uint8)
    return shown


def paste(
    canvas: np.ndarray, rgb: np.ndarray, alpha: np.ndarray, top: int, left: int, label: int
) -> None:
    """Blend a patch into a sample in place; it may reach over the edges.

    Args:
        canvas: uint8 [side, side, 5].
        rgb: uint8 [h, w, 3].
        alpha: uint8 [h, w].
        label: what the patch is labelled, 0 or 255; under it the weight becomes full.
    """
    side = canvas.shape[0]
    h, w = alpha.shape
    y0, x0, y1, x1 = max(0, top), max(0, left), min(side, top + h), min(side, left + w)
    if y0 >= y1 or x0 >= x1:
        return
    inner = (slice(y0 - top, y1 - top), slice(x0 - left, x1 - left))
    a = alpha[inner].astype(np.float32)[..., None] / 255.0
    patch = np.empty((y1 - y0, x1 - x0, 5), np.float32)
    patch[..., :3] = rgb[inner]
    patch[..., 3] = label
    patch[..., 4] = 255
    under = canvas[y0:y1, x0:x1].astype(np.float32)
    canvas[y0:y1, x0:x1] = np.round(under + a * (patch - under)).astype(np.uint8)


class Composer:
    """Draws composites from decoded items.

    Args:
        items: everything that may be trained on.
        objects: indices of hard-labelled items, from which objects are cut.
        scenes: indices of the items that serve as backgrounds.
        soft_floor: what a scene's own doubtful parts weigh under a composite.
        style: how composites are made.
        odds: how often each of `objects` is drawn; None is alike.
        watched: labels are of what is looked at: nothing in the scene, and not each object.
        empty: those of `scenes` that hold no object, whatever their label says.
    """

    def __init__(
        self,
        items: Items,
        objects: Sequence[int],
        scenes: Sequence[int],
        soft_floor: float,
        style: Composition | None = None,
        odds: Sequence[float] | None = None,
        watched: bool = False,
        empty: Collection[int] = (),
    ) -> None:
        self._items, self._objects, self._scenes = items, objects, scenes
        self._empty = frozenset(empty)
        self._soft_floor = soft_floor
        self._style = style or Composition()
        self._watched = watched
        self._odds = None if odds is None else np.asarray(odds) / np.sum(odds)

    def draw(self, options: Augment, rng: np.random.Generator) -> tuple[np.ndarray, list[int]]:
        """One composite and the indices of the items in it.

        Returns:
            uint8 [crop, crop, 5], and the indices: the scene first.
        """
        used = [int(rng.choice(self._scenes))]
        canvas = crop_resized(self._items[used[0]], options, rng)[..., :5].copy()
        count = int(rng.choice(len(OBJECTS), p=OBJECTS))
        quiet = self._watched or self._style.quiet_scenes or used[0] in self._empty
        if count or quiet:
            # Beside a pasted object, whatever the scene itself may hold is open to doubt.
            calm = 1.0 - 2.0 * canvas[..., 3].astype(np.float32) / 255.0
            canvas[..., 4] = np.round(255.0 * np.maximum(calm, self._soft_floor)).astype(np.uint8)
        if quiet:
            canvas[..., 3] = 0
        for _ in range(int(rng.integers(DISTRACTORS))):
            used.append(int(rng.choice(self._scenes)))
            texture = crop_resized(self._items[used[-1]], options, rng)
            size = max(8, int(options.crop * rng.uniform(0.1, 0.6)))
            alpha = feather(blob(size, rng), rng)
            rgb = photometric(texture[:size, :size, :3], rng)
            top, left = self._place(options.crop, size, size, rng)
            self._paste(canvas, rgb, alpha, top, left, 0, rng)
        for _ in range(count):
            used.append(int(rng.choice(self._objects, p=self._odds)))
            item = self._items[used[-1]]
            cut = cut_confident(item) if item.pair.soft else cut_out(item)
            if cut is None:
                continue
            longest = options.crop * self._size(rng)
            scale = longest / max(cut.shape[:2])
            stretch = float(np.exp(rng.uniform(-options.stretch, options.stretch) / 2.0))
            h = max(4, round(cut.shape[0] * scale / stretch))
            w = max(4, round(cut.shape[1] * scale * stretch))
            patch = resize_planes(cut, h, w)
            if rng.random() < 0.5:
                patch = patch[:, ::-1]
            top, left = self._place(options.crop, h, w, rng)
            rgb = photometric(patch[..., :3], rng)
            label = 0 if self._watched and rng.random() < UNWATCHED else 255
            self._paste(canvas, rgb, feather(patch[..., 3], rng), top, left, label, rng)
        return canvas, used

    def _paste(
        self,
        canvas: np.ndarray,
        rgb: np.ndarray,
        alpha: np.ndarray,
        top: int,
        left: int,
        label: int,
        rng: np.random.Generator,
    ) -> None:
        if self._style.harmony:
            h, w = alpha.shape
            under = canvas[max(0, top) : top + h, max(0, left) : left + w, :3]
            rgb = harmonised(rgb, alpha, under, float(rng.uniform(0.0, self._style.harmony)))
        paste(canvas, rgb, alpha, top, left, label)

    def _size(self, rng: np.random.Generator) -> float:
        """Longest side of an object, as a share of the crop's side."""
        low, high = self._style.object_size
        if self._style.log_size:
            return float(np.exp(rng.uniform(np.log(low), np.log(high))))
        return float(rng.uniform(low, high))

    @staticmethod
    def _place(side: int, h: int, w: int, rng: np.random.Generator) -> tuple[int, int]:
        """Top and left of a patch; up to a fifth of it lies outside."""
        top = int(rng.integers(-(h // 5), max(1, side - h + h // 5)))
        left = int(rng.integers(-(w // 5), max(1, side - w + w // 5)))
        return top, left
