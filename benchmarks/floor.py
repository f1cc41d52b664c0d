"""The floor: ONNX Runtime alone, running a model on tensors that are ready."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vmafsal.infer.session import Session
from vmafsal.models.graph import make_batchable
from vmafsal.models.model import Model, load_model

__all__ = ["main"]

Tensor = NDArray[np.float32]
Run = Callable[[Tensor], Any]


def main(
    *,
    model: str | None,
    height: int,
    width: int,
    frames: int,
    batch_size: int,
    threads: int,
    at_once: int = 1,
) -> dict[str, float]:
    """Time the runtime with nothing beside it, in the quicker of two ways.

    One is ONNX Runtime's own, with all threads on one batch; the other is vmafsal's, which sets
    some options of it and may run several batches at once. Tensors alternate, as they do in
    vmafsal, so that none is warm in the cache.

    Args:
        model: path or id; None is the packaged default.
        height, width: of the tensors.
        frames: to infer; the last batch may be shorter.
        batch_size, threads, at_once: as vmafsal ran it.
    Returns:
        seconds and cpu_seconds for all frames, after first runs that are not counted.
    """
    loaded = load_model(model)
    random = np.random.default_rng(0)
    shape = (batch_size, 3, height, width)
    tensors = [random.standard_normal(shape, np.float32) for _ in range(at_once + 1)]
    session = Session(
        loaded, "cpu", threads, short_side=min(height, width) if at_once > 1 else None
    )
    ways = [
        _time(_runtime(loaded, batch_size, threads), 1, tensors, frames),
        _time(session.run, session.plan.at_once, tensors, frames),
    ]
    return min(ways, key=lambda way: way["seconds"])


def _runtime(loaded: Model, batch_size: int, threads: int) -> Run:
    """ONNX Runtime with its own defaults but for the number of threads."""
    import onnxruntime

    proto = loaded.proto
    if loaded.fixed_batch and batch_size > 1:
        proto = make_batchable(proto, loaded.sidecar.input_name)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(
        proto.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    name, outputs = loaded.sidecar.input_name, [loaded.sidecar.output_name]
    return lambda tensor: session.run(outputs, {name: tensor})


def _time(run: Run, at_once: int, tensors: list[Tensor], frames: int) -> dict[str, float]:
    batch_size = len(tensors[0])

    def infer(number: int) -> None:
        run(tensors[number % len(tensors)][: frames - number * batch_size])

    with ThreadPoolExecutor(at_once) as pool:
        list(pool.map(infer, range(at_once)))
        begin, begin_cpu = time.perf_counter(), time.process_time()
        list(pool.map(infer, range(-(-frames // batch_size))))
        return {
            "seconds": time.perf_counter() - begin,
            "cpu_seconds": time.process_time() - begin_cpu,
        }
