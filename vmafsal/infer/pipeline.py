"""From frames to features: decode ahead, batch, infer, in order and bounded."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping
from contextlib import closing

import numpy as np
from numpy.typing import NDArray

from vmafsal.errors import ModelError
from vmafsal.features.frame import FrameFeatures, saliency_mean
from vmafsal.infer.abreast import abreast
from vmafsal.infer.ahead import ahead, close
from vmafsal.infer.session import Session
from vmafsal.models.model import Model
from vmafsal.models.sidecar import InputPolicy
from vmafsal.picture.batch import Batch, Pictures, Preparer, View
from vmafsal.video.frame import Frame

__all__ = ["Scorer", "score"]

# Decoded frames that wait for colour conversion, and batches that wait for inference. Together
# with the buffers of a Preparer they bound the memory of a run, whatever its length.
_FRAMES_AHEAD = 3
_BATCHES_AHEAD = 1

Scored = tuple[list[int], dict[str, NDArray[np.float64]]]
"""frameNum of each frame of a batch; column name to the value of each."""


class Scorer:
    """A session and the view of the frames that its model wants."""

    def __init__(self, session: Session, view: View) -> None:
        self.session = session
        self.view = view

    @classmethod
    def of(cls, session: Session, policy: InputPolicy) -> Scorer:
        """The scorer of a session's model under a policy.

        Here it is chosen whether batches hold planes, for a graph that does colour and mean
        itself, or tensors: as the session prefers.
        """
        return cls(session, View.of(policy, session.model.stride, session.fused))

    def __call__(self, batch: Batch) -> NDArray[np.float64]:
        """Mean saliency of each frame of a batch, float64 [N].

        Raises:
            ModelError: if the map holds anything but numbers from 0 to 1.
        """
        count = len(batch.indices)
        if self.view.fused:
            scalars = self.session.run_planes(batch.planes[self.view], self.view.policy)
            means, lows, highs = scalars[:count, 0], scalars[:count, 1], scalars[:count, 2]
            # Unlike numpy's, a runtime's minimum may pass over NaN; a mean never does.
            lows = np.where(np.isfinite(means), lows, np.nan)
            _check_range(float(lows.min()), float(highs.max()), self.session.model)
            return means
        height, width = batch.sizes[self.view]
        saliency = self.session.run(batch.tensors[self.view][:count])[:, :, :height, :width]
        _check_range(float(saliency.min()), float(saliency.max()), self.session.model)
        return saliency_mean(saliency)


def score(
    frames: Iterable[Frame],
    scorers: Mapping[str, Scorer],
    preparer: Preparer,
    *,
    read_ahead: bool = True,
) -> Generator[FrameFeatures]:
    """Score frames with one or more models in one pass.

    What infers one batch after the other, on all cores, gets a thread each for reading and
    decoding, and for colour conversion. Where the preparer's at_once says that several batches
    are inferred at the same time, each thread takes its frames and brings them all the way.

    Args:
        frames: of one size; gaps are left out.
        scorers: column name to scorer.
        preparer: knows every scorer's view.
        read_ahead: read and decode in a thread of its own in any case. Where several batches are
            inferred at the same time, frames that are only read, and not decoded, do better
            without: what a thread reads is then in the cache of its core. But frames that may
            keep one waiting, as from a pipe, must be read ahead.
    Yields:
        the features of each frame, in order.
    """
    if preparer.at_once == 1:
        scored = _one_after_the_other(frames, scorers, preparer)
    elif read_ahead:
        scored = _at_once_behind_a_decoder(frames, scorers, preparer)
    else:
        scored = _at_once(frames, scorers, preparer, reader_works=True)
    with closing(scored):
        for indices, columns in scored:
            for place, index in enumerate(indices):
                yield FrameFeatures(
                    index, {name: float(values[place]) for name, values in columns.items()}
                )


def _one_after_the_other(
    frames: Iterable[Frame], scorers: Mapping[str, Scorer], preparer: Preparer
) -> Generator[Scored]:
    with (
        ahead(frames, _FRAMES_AHEAD, "decode") as decoded,
        ahead(preparer.batches(decoded), _BATCHES_AHEAD, "prepare", preparer.stop) as batches,
    ):
        for batch in batches:
            yield _infer(batch, scorers, preparer)


def _at_once_behind_a_decoder(
    frames: Iterable[Frame], scorers: Mapping[str, Scorer], preparer: Preparer
) -> Generator[Scored]:
    with ahead(frames, _FRAMES_AHEAD, "decode") as decoded:
        yield from _at_once(decoded, scorers, preparer, reader_works=False)


def _at_once(
    frames: Iterable[Frame],
    scorers: Mapping[str, Scorer],
    preparer: Preparer,
    *,
    reader_works: bool,
) -> Generator[Scored]:
    def groups() -> Generator[list[Pictures]]:
        # Frames are resampled before another thread reads: one of full size is there at a time.
        try:
            yield from preparer.groups(frames)
        finally:
            close(frames)

    def bring_all_the_way(group: list[Pictures]) -> Scored:
        return _infer(preparer.convert(group), scorers, preparer)

    with abreast(
        groups(), bring_all_the_way, preparer.at_once, "score", reader_works=reader_works
    ) as scored:
        yield from scored


def _infer(batch: Batch, scorers: Mapping[str, Scorer], preparer: Preparer) -> Scored:
    """What every scorer says of a batch, which is given back."""
    try:
        return list(batch.indices), {name: scorer(batch) for name, scorer in scorers.items()}
    finally:
        preparer.give_back(batch)


def _check_range(low: float, high: float, model: Model) -> None:
    # Sigmoids in lower precision may end a rounding above 1.
    if low >= -1e-6 and high <= 1 + 1e-6:
        return
    if np.isfinite((low, high)).all():
        raise ModelError(
            f"{model.path.name} answered values from {low:g} to {high:g}; saliency lies between 0 "
            "and 1. If its output still wants a sigmoid, say so in its sidecar: "
            '{"output": {"activation": "sigmoid"}}'
        )
    raise ModelError(
        f"{model.path.name} answered NaN or infinity, which is no saliency. "
        "Check it with `vmafsal models verify`, or choose another model."
    )
