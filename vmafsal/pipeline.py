"""From frames to features: decode ahead, batch, infer, in order and bounded."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from vmafsal.ahead import ahead
from vmafsal.batch import Batch, Preparer, View
from vmafsal.errors import ModelError
from vmafsal.features import FrameFeatures, saliency_mean
from vmafsal.frame import Frame
from vmafsal.model import Model
from vmafsal.session import Session
from vmafsal.sidecar import InputPolicy

__all__ = ["Scorer", "score"]

# Decoded frames that wait for colour conversion, and batches that wait for inference. Together
# with the buffers of a Preparer they bound the memory of a run, whatever its length.
_FRAMES_AHEAD = 3
_BATCHES_AHEAD = 1

Columns = dict[str, NDArray[np.float64]]
"""Column name to the value of each frame of a batch."""


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
    frames: Iterable[Frame], scorers: Mapping[str, Scorer], preparer: Preparer
) -> Generator[FrameFeatures]:
    """Score frames with one or more models in one pass.

    Reading and decoding, colour conversion, and inference run at once in a thread each, inference
    in as many as the preparer's at_once says.

    Args:
        frames: of one size; gaps are left out.
        scorers: column name to scorer.
        preparer: knows every scorer's view.
    Yields:
        the features of each frame, in order.
    """
    with (
        ahead(frames, _FRAMES_AHEAD, "decode") as decoded,
        ahead(preparer.batches(decoded), _BATCHES_AHEAD, "prepare", preparer.stop) as batches,
    ):
        for batch, columns in _infer(batches, scorers, preparer.at_once):
            indices = list(batch.indices)
            preparer.give_back(batch)
            for place, index in enumerate(indices):
                yield FrameFeatures(
                    index, {name: float(values[place]) for name, values in columns.items()}
                )


def _infer(
    batches: Iterable[Batch], scorers: Mapping[str, Scorer], at_once: int
) -> Generator[tuple[Batch, Columns]]:
    """What every scorer says of each batch, in order; `at_once` batches at the same time."""

    def infer(batch: Batch) -> Columns:
        return {name: scorer(batch) for name, scorer in scorers.items()}

    if at_once == 1:
        for batch in batches:
            yield batch, infer(batch)
        return
    waiting: deque[tuple[Batch, Future[Columns]]] = deque()
    with ThreadPoolExecutor(at_once, "infer") as pool:
        try:
            for batch in batches:
                waiting.append((batch, pool.submit(infer, batch)))
                if len(waiting) > at_once:
                    first, answer = waiting.popleft()
                    yield first, answer.result()
            for last, answer in waiting:
                yield last, answer.result()
        finally:
            for _, answer in waiting:
                answer.cancel()


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
