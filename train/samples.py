"""What an epoch is made of: which items, in which order, each varied by its own generator.

A sample depends on the seed, the epoch and its position alone; so it is the same whichever
process draws it, and after a resume.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch.utils.data import Dataset as TorchDataset

from train.augment import Augment, crop_resized, degrade, flip, low_rung, photometric
from train.compose import Composer, Composition, cut_confident
from train.data import Items
from train.gaze import peak_normalised, simulated

__all__ = ["COMPOSITE", "Key", "Samples"]

COMPOSITE = -1
"""In a plan: a composite instead of an item's index."""

Key = tuple[int, int]
"""Epoch and position in it."""


class Samples(TorchDataset[torch.Tensor]):
    """All samples of all epochs.

    Args:
        items: the decoded pairs.
        sets: for each data set the indices of its items and its weight; an epoch draws
            round(weight · n) items of a set, each as often as the others, give or take one;
            cut-outs are drawn into composites alone.
        composites: how many composites an epoch holds.
        composition: how they are made.
        twins: each sample comes with its picture as a low rung of a ladder shows it.
        gaze: each sample comes with a fixation density: that of its item, else one drawn for its
            label.
        gaze_top: how often a drawn gaze goes to an object's top.
    """

    def __init__(
        self,
        items: Items,
        sets: Sequence[tuple[Sequence[int], float]],
        options: Augment,
        seed: int,
        composites: int = 0,
        soft_floor: float = 0.15,
        composition: Composition | None = None,
        twins: bool = False,
        gaze: bool = False,
        gaze_top: float = 0.0,
    ) -> None:
        self._items, self._options = items, options
        self._twins, self._gaze, self._gaze_top = twins, gaze, gaze_top
        self._seed, self._composites = seed, composites
        weight_of = {i: weight for indices, weight in sets for i in indices}
        empty = {i for i, weight in weight_of.items() if weight == 0.0}
        soft = [i for i in weight_of if items.pair(i).soft]
        hard = [i for i in weight_of if not items.pair(i).soft]
        pictures = [i for i in hard if not items.pair(i).cutout]
        self._sets = [(s, weight) for s, weight in sets if not items.pair(s[0]).cutout]
        # Unlabelled scenes are the better backgrounds; without them any picture is one.
        scenes = soft + [i for i in pictures if i in empty] or pictures
        objects, odds = [i for i in hard if i not in empty], None
        if composition is not None and composition.by_set:
            objects += [i for i in soft if i not in empty and cut_confident(items[i]) is not None]
            odds = [weight_of[i] for i in objects]
        self._composer = Composer(
            items, objects, scenes, soft_floor, composition, odds, watched=gaze, empty=empty
        )
        self._plans: dict[int, np.ndarray] = {}

    def plan(self, epoch: int) -> np.ndarray:
        """Item indices of an epoch in their order, `COMPOSITE` for a composite; int64 [n]."""
        if epoch not in self._plans:
            rng = np.random.default_rng([self._seed, epoch])
            drawn = [np.full(self._composites, COMPOSITE)]
            for indices, weight in self._sets:
                count = round(weight * len(indices))
                rounds = -(-count // len(indices))
                order = np.concatenate([rng.permutation(indices) for _ in range(max(1, rounds))])
                drawn.append(order[:count])
            plan = np.concatenate(drawn)
            self._plans = {epoch: rng.permutation(plan)}
        return self._plans[epoch]

    def __getitem__(self, key: Key) -> torch.Tensor:
        """uint8 [5, crop, crop]: R, G, B, label, weight; then the gaze, or the twin's R, G, B."""
        planes, _ = self._draw(key)
        return torch.from_numpy(np.ascontiguousarray(planes.transpose(2, 0, 1)))

    def names(self, key: Key) -> str:
        """The files that a sample is made of."""
        _, used = self._draw(key)
        return " + ".join(str(self._items.pair(i).image) for i in used)

    def _draw(self, key: Key) -> tuple[np.ndarray, list[int]]:
        epoch, position = key
        options = self._options
        rng = np.random.default_rng([self._seed, epoch, position])
        index = int(self.plan(epoch)[position])
        if index == COMPOSITE:
            planes, used = self._composer.draw(options, rng)
        else:
            planes, used = crop_resized(self._items[index], options, rng), [index]
        if options.flip:
            planes = flip(planes, rng)
        rgb = planes[..., :3]
        if rng.random() < options.photometric:
            rgb = photometric(rgb, rng)
        if rng.random() < options.degrade:
            rgb = degrade(rgb, rng)
        parts = [rgb, planes[..., 3:5]]
        if self._gaze:
            own = planes.shape[2] > 5
            drawn = planes[..., 5] if own else simulated(planes[..., 3], rng, self._gaze_top)
            parts.append(peak_normalised(drawn))
        if self._twins:
            parts.append(low_rung(rgb, rng))
        return np.dstack(parts), used
