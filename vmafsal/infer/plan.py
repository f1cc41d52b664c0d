"""How a model is run on a device: workers, threads, inferences at the same time, batch size."""

from __future__ import annotations

import os
from dataclasses import dataclass

__all__ = ["Plan", "available_cores", "batch_size_of", "plan"]

_SMALL_SIDE = 512
_PIXELS = 1 << 19
_PIXELS_AT_ONCE = 1 << 16
_FRAMES = 16


@dataclass(frozen=True, slots=True)
class Plan:
    """How one model is run."""

    workers: int
    """Threads that each take a batch of frames through all steps, from planes to numbers."""
    runtime_threads: int
    """Of ONNX Runtime, within one inference."""
    at_once: int
    """Inferences at the same time."""
    ahead: int
    """Batches that may wait for a worker, or results that may wait for the consumer."""
    batch_pixels: int
    """Frames are put into one batch up to so many pixels, as the model sees them."""


def available_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def plan(short_side: int | None, *, on_cpu: bool, threads: int) -> Plan:
    """The policy of all threading.

    | device | model sees | workers | inferences | threads of each | ahead | batch |
    |---|---|---|---|---|---|---|
    | CPU | up to 512 | threads | threads | 1 | 2 | 65,536 |
    | CPU | more, or native | 2 | 1 | threads | 1 | 524,288 |
    | GPU | anything | 2 | 1 | threads | 2 | 524,288 |

    "Model sees" is a short side in pixels; native is the frame's own size. "Inferences" run at the
    same time. "Ahead" counts batches that wait for a worker, or whose results wait for the
    consumer. "Batch" is its largest number of pixels; it has at most 16 frames.

    The layers of a small picture are too little work for several threads, so each worker infers
    on one thread. 65,536 pixels fit the cache of one core. Where one inference runs at a time, the
    second worker resamples and converts the next batch. 524,288 pixels are about 960x540: below
    that size the overhead of a call is worth sharing among frames.

    Args:
        short_side: that the model sees, in pixels; None for native.
        on_cpu: whether the CPU infers.
        threads: that the CPU may use; at most as many as there are cores.
    Returns:
        the plan.
    """
    if on_cpu and short_side is not None and short_side <= _SMALL_SIDE:
        return Plan(threads, 1, threads, 2, _PIXELS_AT_ONCE)
    return Plan(2, threads, 1, 1 if on_cpu else 2, _PIXELS)


def batch_size_of(pixels: int, batch_pixels: int) -> int:
    """Frames in a batch.

    Args:
        pixels: of a picture, as the model sees it.
        batch_pixels: see Plan.
    Returns:
        1 to 16.
    """
    return min(max(batch_pixels // pixels, 1), _FRAMES)
