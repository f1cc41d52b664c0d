"""The pipeline: pairs of frames in, maps and features out, in order and in bounded memory.

    read ──► group ──► [ resample, colour, pad ──► infer ──► features ] ──► changes
    reader thread      one worker, for all models of a batch                whoever iterates

infer/plan.py says how many workers there are, infer/pool.py keeps the order and the bound.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vmafsal.features.frame import FrameFeatures
from vmafsal.features.saliency import CHANGES, MEAN, STATS
from vmafsal.infer.network import Network
from vmafsal.infer.plan import batch_size_of
from vmafsal.infer.pool import close, in_order
from vmafsal.picture.tensors import Batch, Preparer, View
from vmafsal.video.frame import Frame
from vmafsal.video.sequence import Pair

__all__ = ["Column", "MappedFrame", "Pipeline"]

Map = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class MappedFrame:
    """A frame, as it was decoded, with its saliency maps and its numbers."""

    frame: Frame
    """Of the distorted video."""
    reference: Frame | None
    """Of the reference, where the pipeline was asked to decode it."""
    maps: dict[str, Map]
    """float32 [H, W] in [0, 1] of each model, at the size that the model sees (its own, for a
    native model), by the name of its mean: "saliency_mean", "saliency_mean_b"."""
    features: FrameFeatures


class Column:
    """A network, and the names of the numbers that are taken from its map."""

    def __init__(self, network: Network, tag: str | None = None, *, stats: bool = False) -> None:
        """
        Args:
            network: whose maps they are.
            tag: appended to the names: "b" makes saliency_mean_b.
            stats: all numbers instead of the mean alone.
        """
        self.network = network

        def tagged(table: Mapping[str, Callable[..., float]]) -> dict[str, Callable[..., float]]:
            return {f"{name}_{tag}" if tag else name: table[name] for name in table}

        self.of_map = tagged({**MEAN, **STATS} if stats else MEAN)
        """Name to function of a map."""
        self.of_change = tagged(CHANGES if stats else {})
        """Name to function of a map and the one before it."""

    @property
    def names(self) -> list[str]:
        """Of all its numbers, in the order of the log."""
        return [*self.of_map, *self.of_change]

    @property
    def only_mean(self) -> bool:
        """Whether means are enough, which a fused graph takes where the map is."""
        return len(self.names) == 1


@dataclass(frozen=True, slots=True)
class _Answer:
    """What a worker knows of one frame."""

    index: int
    metrics: dict[str, float]
    maps: dict[str, Map]
    pair: Pair | None
    """None where nobody wants the pictures: they are let go of as early as can be."""


class Pipeline:
    """All that is done with a frame once it is decoded."""

    def __init__(
        self, columns: Mapping[str, Column], height: int, width: int, batch_size: int | None = None
    ) -> None:
        """
        Args:
            columns: by the name of the mean.
            height, width: of the frames, in pixels.
            batch_size: frames in one inference; None chooses by the plan and the size.
        Raises:
            InputError: if the frames are too narrow for a model's short side.
        """
        self._columns = dict(columns)
        networks = [column.network for column in self._columns.values()]
        plans = [network.session.plan for network in networks]
        self._workers = min(plan.workers for plan in plans)
        sizes = [network.view.picture_size(height, width) for network in networks]
        self.batch_size = batch_size or min(
            batch_size_of(rows * columns_, plan.batch_pixels)
            for (rows, columns_), plan in zip(sizes, plans, strict=True)
        )
        """Frames in a full batch."""
        self._local = threading.local()

    @property
    def names(self) -> list[str]:
        """Of all numbers of a frame, in the order of the log."""
        return [name for column in self._columns.values() for name in column.names]

    def features(
        self, pairs: Iterable[Pair], *, maps: bool = False, patience: float = 2.0
    ) -> Generator[FrameFeatures]:
        """The numbers of each frame.

        Args:
            pairs: in order, of one size; gaps are left out.
            maps: put the first model's map into each.
            patience: see in_order().
        Yields:
            one FrameFeatures a frame, in order.
        """
        first = next(iter(self._columns))
        with closing(self._run(pairs, maps, False, patience)) as answers:
            for answer in answers:
                yield FrameFeatures(
                    answer.index, answer.metrics, answer.maps[first] if maps else None
                )

    def maps(self, pairs: Iterable[Pair], *, patience: float = 2.0) -> Generator[MappedFrame]:
        """The maps of each frame beside its pictures and its numbers.

        Args, order: as features().
        Yields:
            one MappedFrame a frame, in order.
        """
        with closing(self._run(pairs, True, True, patience)) as answers:
            for answer in answers:
                assert answer.pair is not None
                yield MappedFrame(
                    answer.pair.distorted,
                    answer.pair.reference,
                    answer.maps,
                    FrameFeatures(answer.index, answer.metrics),
                )

    def _run(
        self, pairs: Iterable[Pair], keep_maps: bool, keep_pairs: bool, patience: float
    ) -> Generator[_Answer]:
        def bring(batch: list[Pair]) -> list[_Answer]:
            return self._bring(batch, keep_maps, keep_pairs)

        batches = _batched(pairs, self.batch_size)
        before: dict[str, Map] = {}
        with closing(in_order(batches, bring, self._workers, patience=patience)) as answered:
            for answers in answered:
                for answer in answers:
                    yield self._with_changes(answer, before)
                    before = answer.maps

    def _bring(self, pairs: list[Pair], keep_maps: bool, keep_pairs: bool) -> list[_Answer]:
        """A batch all the way; runs in a worker, and empties the list of what it is through."""
        indices = [pair.distorted.index for pair in pairs]
        kept = list(pairs) if keep_pairs else [None] * len(pairs)
        batches: dict[View, Batch] = {}
        for view in dict.fromkeys(column.network.view for column in self._columns.values()):
            batches[view] = self._preparer(view)([pair.distorted for pair in pairs])
        pairs.clear()
        metrics: list[dict[str, float]] = [{} for _ in indices]
        maps: list[dict[str, Map]] = [{} for _ in indices]
        for name, column in self._columns.items():
            batch = batches[column.network.view]
            if batch.planes is not None and column.only_mean and not keep_maps:
                for row, mean in zip(metrics, column.network.means(batch), strict=True):
                    row[name] = float(mean)
                continue
            for row, found, saliency in zip(metrics, maps, column.network.maps(batch), strict=True):
                row |= {key: measure(saliency) for key, measure in column.of_map.items()}
                row |= dict.fromkeys(column.of_change, math.nan)
                if keep_maps or column.of_change:
                    found[name] = saliency
        return [_Answer(*answer) for answer in zip(indices, metrics, maps, kept, strict=True)]

    def _preparer(self, view: View) -> Preparer:
        """This thread's own."""
        preparers: dict[View, Preparer] = self._local.__dict__.setdefault("preparers", {})
        if view not in preparers:
            preparers[view] = Preparer(view, self.batch_size)
        return preparers[view]

    def _with_changes(self, answer: _Answer, before: dict[str, Map]) -> _Answer:
        changes = {
            key: measure(answer.maps[name], before[name])
            for name, column in self._columns.items()
            for key, measure in column.of_change.items()
            if name in before
        }
        # The names are there already, each at its place.
        return replace(answer, metrics=answer.metrics | changes) if changes else answer


def _batched(pairs: Iterable[Pair], size: int) -> Generator[list[Pair]]:
    """Groups of pairs, the last of which may be smaller, without gaps."""
    group: list[Pair] = []
    try:
        for pair in pairs:
            if pair.is_gap:
                continue
            group.append(pair)
            del pair  # a worker empties the group when it is through with the pictures
            if len(group) == size:
                yield group
                group = []
        if group:
            yield group
    finally:
        close(pairs)
