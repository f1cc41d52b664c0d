"""The floor: ONNX Runtime alone, running a model on tensors that are ready."""

from __future__ import annotations

import time

import numpy as np

from vmafsal.graph import make_batchable
from vmafsal.model import load_model

__all__ = ["main"]


def main(
    *, model: str | None, height: int, width: int, frames: int, batch_size: int, threads: int
) -> dict[str, float]:
    """Time the runtime with nothing beside it.

    ONNX Runtime's own defaults but for the number of threads: what vmafsal sets is not part of
    the floor. Two tensors alternate, as they do in vmafsal, so that none is warm in the cache.

    Args:
        model: path or id; None is the packaged default.
        height, width: of the tensors.
        frames: to infer; the last batch may be shorter.
        batch_size, threads: as vmafsal ran it.
    Returns:
        seconds and cpu_seconds for all frames, after a first run that is not counted.
    """
    import onnxruntime

    loaded = load_model(model)
    proto = loaded.proto
    if loaded.fixed_batch and batch_size > 1:
        proto = make_batchable(proto, loaded.sidecar.input_name)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(
        proto.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    random = np.random.default_rng(0)
    shape = (batch_size, 3, height, width)
    tensors = [random.standard_normal(shape, np.float32) for _ in range(2)]
    outputs = [loaded.sidecar.output_name]
    name = loaded.sidecar.input_name
    session.run(outputs, {name: tensors[0]})
    begin, begin_cpu = time.perf_counter(), time.process_time()
    for number, first in enumerate(range(0, frames, batch_size)):
        session.run(outputs, {name: tensors[number % 2][: frames - first]})
    return {
        "seconds": time.perf_counter() - begin,
        "cpu_seconds": time.process_time() - begin_cpu,
    }
