"""The floor of each stage alone but inference: read and decode, resample, colour, features."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.flops import flops
from vmafsal.batch import Batch, Preparer, View
from vmafsal.frame import Frame
from vmafsal.model import load_model
from vmafsal.pipeline import Scorer
from vmafsal.resample import Resampler
from vmafsal.session import Session
from vmafsal.source import Source, open_source

__all__ = ["STAGES", "main"]

STAGES = ("read", "resample", "colour", "inference", "features")
"""What a frame goes through, in order; "read" is reading and decoding. floor.py has inference."""

_FRAMES_KEPT = 4
# So many decoded frames go round where a stage is timed without the one before it: they do not
# all fit the cache, and a long clip does not have to fit the memory.
_BEST_OF = 3

Times = dict[str, float]


def main(
    *,
    clips: dict[str, str],
    width: int,
    height: int,
    model: str | None,
    native: bool,
    frames: int,
) -> dict[str, Any]:
    """Time the stages one by one, in this process, on the same data.

    Args:
        clips: kind ("yuv", "mp4") to path.
        width, height: of the clips.
        model: path or id; None is the packaged default.
        native: run it at the frame's own size.
        frames: that every stage handles.
    Returns:
        the model's id, batch_size, threads, height and width of the tensor, flops of a picture,
        and for each stage seconds and cpu_seconds for one frame; "read" has them by kind of clip.
    """
    loaded = load_model(model)
    policy = loaded.policy.with_options(short_side="native" if native else None)
    view = View.of(policy, loaded.stride)
    session = Session(loaded, "cpu")
    kept = _first_frames(next(iter(clips.values())), width, height)

    batch = next(iter(Preparer([view], None).batches(islice(cycle(kept), frames))))
    capacity = len(batch.tensors[view])
    maps = session.run(batch.tensors[view])

    resampler = _resampler(view)
    pictures = [resampler(frame) for frame in kept] if resampler else kept
    unscaled = replace(view, policy=replace(view.policy, short_side=None, size=None))

    def resample() -> None:
        if resampler:
            for frame in islice(cycle(kept), frames):
                resampler(frame)

    def colour() -> None:
        _prepare(Preparer([unscaled], capacity), islice(cycle(pictures), frames))

    scorer = Scorer(_Answered(session, maps), view)

    def features() -> None:
        for _ in range(0, frames, capacity):
            scorer(batch)

    return {
        "batch_size": capacity,
        "threads": session.threads,
        "height": batch.tensors[view].shape[2],
        "width": batch.tensors[view].shape[3],
        "flops": flops(loaded.proto, loaded.sidecar.input_name, *batch.tensors[view].shape[2:]),
        "model": loaded.id,
        "read": {kind: _read_times(path, width, height, frames) for kind, path in clips.items()},
        "resample": _best(resample, frames) if resampler else {"seconds": 0.0, "cpu_seconds": 0.0},
        "colour": _best(colour, frames),
        "features": _best(features, frames),
    }


class _Answered(Session):
    """A session whose answer is ready, so that what comes after it can be timed alone."""

    def __init__(self, session: Session, maps: NDArray[np.float32]) -> None:
        self.model = session.model
        self._maps = maps

    def run(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        return self._maps


def _open(path: str, width: int, height: int) -> Source:
    raw = Path(path).suffix == ".yuv"
    return open_source(path, width=width if raw else None, height=height if raw else None)


def _first_frames(path: str, width: int, height: int) -> list[Frame]:
    with _open(path, width, height) as source:
        return list(source.frames(stop=_FRAMES_KEPT))


def _read_times(path: str, width: int, height: int, frames: int) -> Times:
    def read() -> None:
        # Opening counts: it is a few milliseconds, shared by all frames as in a real run.
        with _open(path, width, height) as source:
            for _ in source.frames(stop=frames):
                pass

    return _best(read, frames)


def _resampler(view: View) -> Resampler | None:
    policy = view.policy
    if policy.short_side is None and policy.size is None:
        return None
    return Resampler(short_side=policy.short_side, size=policy.size)


def _prepare(preparer: Preparer, frames: Iterable[Frame]) -> None:
    batches: Iterator[Batch] = preparer.batches(frames)
    for batch in batches:
        preparer.give_back(batch)


def _best(stage: Callable[[], None], frames: int) -> Times:
    """The quickest of some runs, per frame: what disturbs a run only ever makes it slower."""
    runs = []
    for _ in range(_BEST_OF):
        begin, begin_cpu = time.perf_counter(), time.process_time()
        stage()
        runs.append((time.perf_counter() - begin, time.process_time() - begin_cpu))
    return {
        "seconds": min(run[0] for run in runs) / frames,
        "cpu_seconds": min(run[1] for run in runs) / frames,
    }
