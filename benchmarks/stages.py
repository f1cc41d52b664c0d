"""The floor of each stage alone but inference: read and decode, resample, colour, features."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import cycle, islice
from pathlib import Path
from typing import Any, Literal

from benchmarks.flops import flops
from vmafsal.features.saliency import saliency_mean
from vmafsal.infer.network import Network, check_range
from vmafsal.infer.open import open_session
from vmafsal.infer.plan import batch_size_of
from vmafsal.models.model import load_model
from vmafsal.picture.resample import Resampler
from vmafsal.picture.tensors import Preparer, View
from vmafsal.video import Source, open_source
from vmafsal.video.frame import Frame

__all__ = ["main", "quickest"]

_FRAMES_KEPT = 4
# A stage is timed on so many decoded frames in turn: more than fit the cache, and few enough for
# the memory.
_BEST_OF = 3
_MOST_FRAMES = 48

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
        frames: that are read, two at least; the other stages handle at most 48 of them.
    Returns:
        the model's id, batch_size, threads, how many batches are inferred at_once, the short_side
        that it sees, height and width of the tensor, flops of a picture, and for each stage (read,
        which decodes too, resample, colour, features) seconds and cpu_seconds for one frame; read
        has them by kind of clip.
    """
    worked = min(frames, _MOST_FRAMES)
    loaded = load_model(model)
    short_side: Literal["native"] | None = "native" if native else None
    policy = loaded.policy.with_options(short_side=short_side)
    session = open_session(model, "cpu", None, short_side=short_side)
    network = Network(session, policy)
    view = network.view
    kept = _first_frames(next(iter(clips.values())), width, height)

    rows, columns = view.picture_size(height, width)
    capacity = batch_size_of(rows * columns, session.plan.batch_pixels)
    tensor = Preparer(view, capacity)(list(islice(cycle(kept), capacity))).tensor
    assert tensor is not None
    maps = network.session.run(tensor)[:, 0, :rows, :columns]

    resampler = _resampler(view)
    pictures = [resampler(frame) for frame in kept] if resampler else kept
    unscaled = replace(view, policy=replace(view.policy, short_side=None, size=None))
    preparer = Preparer(unscaled, capacity)

    def resample() -> None:
        if resampler:
            for frame in islice(cycle(kept), worked):
                resampler(frame)

    def colour() -> None:
        for batch in batched(islice(cycle(pictures), worked), capacity):
            preparer(batch)

    def features() -> None:
        for _ in range(0, worked, capacity):
            check_range(float(maps.min()), float(maps.max()), loaded)
            for found in maps:
                saliency_mean(found)

    return {
        "batch_size": capacity,
        "threads": session.threads,
        "at_once": session.plan.at_once,
        "short_side": policy.short_side or "native",
        "height": tensor.shape[2],
        "width": tensor.shape[3],
        "flops": flops(loaded.proto, loaded.sidecar.input_name, *tensor.shape[2:]),
        "model": loaded.id,
        "read": {
            kind: quickest(_read(path, width, height, frames) for _ in range(_BEST_OF))
            for kind, path in clips.items()
        },
        "resample": _best(resample, worked) if resampler else {"seconds": 0.0, "cpu_seconds": 0.0},
        "colour": _best(colour, worked),
        "features": _best(features, worked),
    }


def _open(path: str, width: int, height: int) -> Source:
    raw = Path(path).suffix == ".yuv"
    return open_source(path, width=width if raw else None, height=height if raw else None)


def _first_frames(path: str, width: int, height: int) -> list[Frame]:
    with _open(path, width, height) as source:
        return list(source.frames(stop=_FRAMES_KEPT))


def _read(path: str, width: int, height: int, frames: int) -> Times:
    """Time for a frame, from the first one on: what comes before it is start-up.

    The last few frames are kept in memory, as in the pipeline.
    """
    with _open(path, width, height) as source:
        pictures = source.frames(stop=frames)
        last = deque([next(pictures)], maxlen=_FRAMES_KEPT)
        clock = Clock()
        last.extend(pictures)
        return clock.per(frames - 1)


def _resampler(view: View) -> Resampler | None:
    policy = view.policy
    if policy.short_side is None and policy.size is None:
        return None
    return Resampler(short_side=policy.short_side, size=policy.size)


class Clock:
    """Seconds, and processor seconds, since it was made."""

    def __init__(self) -> None:
        self._begin, self._begin_cpu = time.perf_counter(), time.process_time()

    def per(self, frames: int) -> Times:
        """What passed until now, for each of so many frames."""
        return {
            "seconds": (time.perf_counter() - self._begin) / frames,
            "cpu_seconds": (time.process_time() - self._begin_cpu) / frames,
        }


def batched(frames: Iterable[Frame], size: int) -> Iterator[list[Frame]]:
    """Groups of so many frames, the last of which may be smaller."""
    frames = iter(frames)
    while batch := list(islice(frames, size)):
        yield batch


def _best(stage: Callable[[], None], frames: int) -> Times:
    """Time for a frame of a stage that handles so many."""

    def time_once() -> Times:
        clock = Clock()
        stage()
        return clock.per(frames)

    return quickest(time_once() for _ in range(_BEST_OF))


def quickest(runs: Iterable[Times]) -> Times:
    """The best of some runs: what disturbs a run only ever makes it slower."""
    seconds, cpu_seconds = zip(*((run["seconds"], run["cpu_seconds"]) for run in runs), strict=True)
    return {"seconds": min(seconds), "cpu_seconds": min(cpu_seconds)}
