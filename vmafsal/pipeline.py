"""The pipeline: pairs of frames in, maps and features out, in order and in bounded memory.

    read ──► group ──► [ resample, colour, pad ──► infer ──► post ──► features ] ──► changes
    reader thread      one worker, for all models of a batch                         consumer

infer/plan.py decides the number of workers; infer/pool.py keeps the order and the bound.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Literal, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from vmafsal.features.frame import FrameFeatures
from vmafsal.features.psnr import Psnr, psnr
from vmafsal.features.saliency import CHANGES, MEAN, STATS, saliency_mean
from vmafsal.infer.network import Network
from vmafsal.infer.plan import batch_size_of
from vmafsal.infer.pool import close, in_order
from vmafsal.maps.post import Step, apply_steps
from vmafsal.picture.tensors import Preparer, View
from vmafsal.video.frame import Frame
from vmafsal.video.sequence import Pair

__all__ = ["Column", "MappedFrame", "Pipeline"]

Map = NDArray[np.float32]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class MappedFrame:
    """A frame, as it was decoded, with its saliency maps and its numbers."""

    frame: Frame
    """Of the distorted video."""
    reference: Frame | None
    """Of the reference, where the pipeline was asked to decode it."""
    maps: dict[str, Map]
    """float32 [H, W] of each column, by its first name ("saliency_mean", "saliency_mean_b"), at
    the size that the model sees: the frame's own for a native model. Each pixel is in [0, 1],
    unless a column's steps of post-processing take it out of there."""
    features: FrameFeatures


@dataclass(frozen=True, slots=True)
class Column:
    """A network, and the numbers that are taken from its maps."""

    network: Network
    of_map: Mapping[str, Callable[[Map], float]] = field(default_factory=dict)
    """Name to function of a map."""
    of_change: Mapping[str, Callable[[Map, Map], float]] = field(default_factory=dict)
    """Name to function of a map and the one before it; NaN for the first frame."""
    of_pictures: Callable[[Map, Pair], Mapping[str, float]] | None = None
    """Function of a map and both pictures to named numbers."""
    picture_names: tuple[str, ...] = ()
    """The names that of_pictures gives."""
    subject: Literal["distorted", "reference"] = "distorted"
    """Which of the two pictures the map is of."""
    steps: Sequence[Step] = ()
    """Of post-processing, which the map goes through first."""

    @classmethod
    def of_saliency(
        cls,
        network: Network,
        tag: str | None = None,
        *,
        stats: bool = False,
        steps: Sequence[Step] = (),
    ) -> Self:
        """The numbers of features/saliency.py.

        Args:
            network: whose maps they are.
            tag: appended to the names: "b" makes saliency_mean_b.
            stats: all of them instead of the mean alone.
            steps: of post-processing.
        """

        def tagged(table: Mapping[str, T]) -> dict[str, T]:
            return {f"{name}_{tag}" if tag else name: table[name] for name in table}

        return cls(
            network,
            tagged({**MEAN, **STATS} if stats else MEAN),
            tagged(CHANGES if stats else {}),
            steps=steps,
        )

    @classmethod
    def of_psnr(
        cls, network: Network, tag: str | None = None, *, steps: Sequence[Step] = ()
    ) -> Self:
        """The numbers of features/psnr.py, weighted by the reference's map.

        Args, order: as of_saliency().
        """
        names = tuple(f"{name}_{tag}" if tag else name for name in Psnr._fields)

        def compare(saliency: Map, pair: Pair) -> dict[str, float]:
            assert pair.reference is not None
            lumas = pair.reference.planes[0], pair.distorted.planes[0]
            return dict(zip(names, psnr(*lumas, saliency, pair.distorted.bit_depth), strict=True))

        return cls(
            network, of_pictures=compare, picture_names=names, subject="reference", steps=steps
        )

    @property
    def names(self) -> list[str]:
        """Of all its numbers, in the order of the log."""
        return [*self.of_map, *self.of_change, *self.picture_names]

    def measure(self, saliency: Map, pair: Pair | None) -> dict[str, float]:
        """All its numbers but those that need the map before, which are NaN."""
        numbers = {name: function(saliency) for name, function in self.of_map.items()}
        numbers |= dict.fromkeys(self.of_change, math.nan)
        if self.of_pictures is not None and pair is not None:
            numbers |= self.of_pictures(saliency, pair)
        return numbers

    @property
    def needs_reference(self) -> bool:
        """Whether the reference is to be decoded for it."""
        return self.subject == "reference" or self.of_pictures is not None

    @property
    def only_mean(self) -> bool:
        """Whether means are enough, which a fused graph takes where the map is."""
        means = list(self.of_map.values()) == [saliency_mean] and len(self.names) == 1
        return means and not self.steps


@dataclass(frozen=True, slots=True)
class _Answer:
    """A worker's results for one frame."""

    index: int
    time: float | None
    metrics: dict[str, float]
    maps: dict[str, Map]
    pair: Pair | None
    """None where the pictures are not needed, so that their memory is freed early."""


class Pipeline:
    """All steps after decoding."""

    def __init__(
        self, columns: Mapping[str, Column], height: int, width: int, batch_size: int | None = None
    ) -> None:
        """
        Args:
            columns: by the first of their names.
            height, width: of the frames, in pixels.
            batch_size: frames in one inference; None chooses by the plan and the size.
        Raises:
            InputError: if the frames are too narrow for a model's short side.
        """
        self._columns = dict(columns)
        networks = [column.network for column in self._columns.values()]
        plans = [network.session.plan for network in networks]
        self._workers = min(plan.workers for plan in plans)
        self._ahead = min(plan.ahead for plan in plans)
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

    @property
    def needs_reference(self) -> bool:
        """Whether the pairs must have the reference's pictures."""
        return any(column.needs_reference for column in self._columns.values())

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

        def numbers(answer: _Answer) -> FrameFeatures:
            saliency = answer.maps[first] if maps else None
            return FrameFeatures(answer.index, answer.metrics, saliency, answer.time)

        return self._run(pairs, numbers, patience, keep_maps=maps)

    def maps(self, pairs: Iterable[Pair], *, patience: float = 2.0) -> Generator[MappedFrame]:
        """The maps of each frame beside its pictures and its numbers.

        Args, order: as features().
        Yields:
            one MappedFrame a frame, in order.
        """

        def mapped(answer: _Answer) -> MappedFrame:
            assert answer.pair is not None
            features = FrameFeatures(answer.index, answer.metrics, pts_time=answer.time)
            return MappedFrame(answer.pair.distorted, answer.pair.reference, answer.maps, features)

        return self._run(pairs, mapped, patience, keep_maps=True, keep_pairs=True)

    def _run(
        self,
        pairs: Iterable[Pair],
        result: Callable[[_Answer], T],
        patience: float,
        *,
        keep_maps: bool,
        keep_pairs: bool = False,
    ) -> Generator[T]:
        """Pass the pairs through the workers; yields the result of each frame, in order."""

        def work(batch: list[Pair]) -> list[_Answer]:
            return self._work(batch, keep_maps, keep_pairs)

        batches = _batched(pairs, self.batch_size)
        before: dict[str, Map] = {}
        answered = in_order(batches, work, self._workers, ahead=self._ahead, patience=patience)
        with closing(answered):
            for answers in answered:
                for answer in answers:
                    yield result(self._with_changes(answer, before))
                    before = answer.maps

    def _work(self, pairs: list[Pair], keep_maps: bool, keep_pairs: bool) -> list[_Answer]:
        """All steps of a batch, in a worker.

        The list is emptied, so that the memory of the pictures is free before inference.
        """
        batches = {
            (view, subject): self._preparer(view, subject)([getattr(p, subject) for p in pairs])
            for view, subject in dict.fromkeys(
                (column.network.view, column.subject) for column in self._columns.values()
            )
        }
        measured = any(column.of_pictures for column in self._columns.values())
        answers = [
            _Answer(frame.index, frame.time, {}, {}, pair if keep_pairs or measured else None)
            for pair in pairs
            for frame in [pair.distorted]
        ]
        pairs.clear()
        for name, column in self._columns.items():
            batch = batches[column.network.view, column.subject]
            if batch.planes is not None and column.only_mean and not keep_maps:
                for answer, mean in zip(answers, column.network.means(batch), strict=True):
                    answer.metrics[name] = float(mean)
                continue
            for answer, saliency in zip(answers, column.network.maps(batch), strict=True):
                saliency = apply_steps(saliency, column.steps)
                answer.metrics.update(column.measure(saliency, answer.pair))
                if keep_maps or column.of_change:
                    answer.maps[name] = saliency
        return answers if keep_pairs else [replace(answer, pair=None) for answer in answers]

    def _preparer(self, view: View, subject: str) -> Preparer:
        """This thread's own: each has the buffer of one batch."""
        preparers: dict[tuple[View, str], Preparer] = self._local.__dict__.setdefault(
            "preparers", {}
        )
        if (view, subject) not in preparers:
            preparers[view, subject] = Preparer(view, self.batch_size)
        return preparers[view, subject]

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
            del pair  # the group holds the only reference, until a worker empties it
            if len(group) == size:
                yield group
                group = []
        if group:
            yield group
    finally:
        close(pairs)
