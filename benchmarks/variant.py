"""One way to run a model on a device, in a process of its own: its rate, memory and numbers."""

from __future__ import annotations

import subprocess
import time
from itertools import cycle, islice
from typing import Any

from benchmarks.clips import ClipSize, moving_planes
from benchmarks.flops import flops
from vmafsal.features.saliency import saliency_mean
from vmafsal.infer.network import Network
from vmafsal.infer.session import Session
from vmafsal.job import parse_device
from vmafsal.models.model import load_model
from vmafsal.picture.padding import padded_size
from vmafsal.picture.tensors import Batch, Preparer
from vmafsal.pipeline import Column, Pipeline
from vmafsal.video.frame import Frame
from vmafsal.video.sequence import Pair

__all__ = ["main", "query_gpu"]

_FRAMES_KEPT = 2


def main(
    *,
    model: str | None,
    native: bool,
    width: int,
    height: int,
    batch_size: int,
    device: str,
    fused: bool,
    tf32: bool,
    seconds: float,
) -> dict[str, Any]:
    """Run frames that are in memory through the pipeline, and through the session alone.

    Args:
        model: path or id; None is the packaged default.
        native: run it at the frame's own size.
        width, height: of the frames, 8-bit 4:2:0.
        batch_size: frames in one inference.
        device: as --device.
        fused, tf32: as Session takes them.
        seconds: how long each count takes at least.
    Returns:
        model (its id) and provider; frame_seconds through the pipeline, from planes to means;
        session_seconds a frame of a network on a batch that is ready; bytes_up that a frame takes
        to the device; flops of a frame; means of the first two; memory_mib that the GPU holds
        more than before, None without one.
    """
    _, index = parse_device(device)
    before = _used_mib(index) if device != "cpu" else None
    loaded = load_model(model)
    session = Session(loaded, device, tf32=tf32, fused=fused)
    policy = loaded.policy.with_options(short_side="native" if native else None)
    network = Network(session, policy)
    size = ClipSize(width, height, _FRAMES_KEPT)
    frames = [
        Frame(tuple(planes), "420", 8, number) for number, planes in enumerate(moving_planes(size))
    ]
    batch = Preparer(network.view, batch_size)(list(islice(cycle(frames), batch_size)))
    arrays = [batch.tensor] if batch.planes is None else list(batch.planes.inputs.values())
    sides = padded_size(batch.height, batch.width, network.view.multiple)
    means = _means(network, batch)
    session_seconds = _session_seconds(network, batch, seconds)
    result = {
        "model": loaded.id,
        "provider": session.provider,
        "frame_seconds": _frame_seconds(network, frames, batch_size, seconds),
        "session_seconds": session_seconds / batch_size,
        "bytes_up": sum(array.nbytes for array in arrays if array is not None) / batch_size,
        "flops": flops(loaded.proto, loaded.sidecar.input_name, *sides),
        "means": means[:_FRAMES_KEPT],
        "memory_mib": None,
    }
    after = _used_mib(index) if before is not None else None
    if before is not None and after is not None:
        # What the runtime took once it keeps, so that the end shows the peak.
        result["memory_mib"] = after - before
    return result


def _means(network: Network, batch: Batch) -> list[float]:
    """As a run takes them: by the graph where it is fused."""
    if batch.planes is not None:
        return [float(mean) for mean in network.means(batch)]
    return [saliency_mean(saliency) for saliency in network.maps(batch)]


def _session_seconds(network: Network, batch: Batch, seconds: float) -> float:
    """The quickest of many calls on one batch."""
    times: list[float] = []
    end = time.perf_counter() + seconds
    while not times or time.perf_counter() < end:
        begin = time.perf_counter()
        _means(network, batch)
        times.append(time.perf_counter() - begin)
    return min(times)


def _frame_seconds(network: Network, frames: list[Frame], batch_size: int, seconds: float) -> float:
    """Seconds a frame through the pipeline, once its queues are full."""
    size = frames[0].height, frames[0].width
    pipeline = Pipeline({"saliency_mean": Column.of_saliency(network)}, *size, batch_size)
    run = pipeline.features(map(Pair, cycle(frames)))
    for _ in islice(run, 2 * batch_size):
        pass
    begin, done = time.perf_counter(), 0
    while not done or time.perf_counter() < begin + seconds:
        done += sum(1 for _ in islice(run, batch_size))
    elapsed = time.perf_counter() - begin
    run.close()
    return elapsed / done


def _used_mib(index: int) -> float | None:
    used = query_gpu("memory.used", index)
    return float(used) if used else None


def query_gpu(field: str, index: int) -> str | None:
    """What nvidia-smi says of a GPU; None where there is none, or it does not say."""
    try:
        done = subprocess.run(
            ["nvidia-smi", f"--query-gpu={field}", "--format=csv,noheader,nounits"],
            capture_output=True,
            text=True,
        )
    except FileNotFoundError:
        return None
    lines = done.stdout.strip().splitlines()
    return lines[index].strip() if done.returncode == 0 and index < len(lines) else None
