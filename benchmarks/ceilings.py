"""What a device can do at most, through ONNX Runtime: copying to it, and products of matrices."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.machine import product_model
from vmafsal.job import parse_device

__all__ = ["main"]


def main(*, device: str, copy_mib: int, side: int, repeats: int) -> dict[str, float]:
    """Measure the ceilings of a device.

    Args:
        device: "cpu" or "cuda", with a number or without.
        copy_mib: how much is copied at once.
        side: of the matrices.
        repeats: the best of so many counts.
    Returns:
        copy_gb_per_second from numpy's memory to the device's; gflops_float32 and, on CUDA,
        gflops_tf32 of a product, whose factors lie on the device (2 n^3 operations).
    """
    kind, index = parse_device(device)
    rates = {"copy_gb_per_second": _copy_rate(kind, index, copy_mib << 20, repeats) / 1e9}
    for name, tf32 in (
        (("float32", False), ("tf32", True)) if kind == "cuda" else (("float32", False),)
    ):
        rates[f"gflops_{name}"] = _product_rate(kind, index, tf32, side, repeats) / 1e9
    return rates


def _copy_rate(kind: str, index: int, size: int, repeats: int) -> float:
    from onnxruntime import OrtValue

    data = np.random.default_rng(0).integers(0, 256, size, np.uint8)
    there = OrtValue.ortvalue_from_shape_and_type(data.shape, np.uint8, kind, index)
    return size / _quickest(lambda: there.update_inplace(data), repeats)


def _product_rate(kind: str, index: int, tf32: bool, side: int, repeats: int) -> float:
    import onnxruntime

    provider: Any = "CPUExecutionProvider"
    if kind == "cuda":
        onnxruntime.preload_dlls()
        settings = {"device_id": str(index), "use_tf32": str(int(tf32))}
        provider = ("CUDAExecutionProvider", settings)
    session = onnxruntime.InferenceSession(product_model(side), providers=[provider])
    binding = session.io_binding()
    random = np.random.default_rng(0)
    for name in ("left", "right"):
        factor = random.standard_normal((side, side), np.float32)
        value = onnxruntime.OrtValue.ortvalue_from_numpy(factor, kind, index)
        binding.bind_ortvalue_input(name, value)
    binding.bind_output("product", kind, index)

    def multiply() -> None:
        session.run_with_iobinding(binding)
        binding.synchronize_outputs()

    return 2 * side**3 / _quickest(multiply, repeats)


def _quickest(action: Callable[[], object], repeats: int) -> float:
    """Seconds of the best of some runs, after one that is not counted."""
    action()
    seconds = []
    for _ in range(repeats):
        begin = time.perf_counter()
        action()
        seconds.append(time.perf_counter() - begin)
    return min(seconds)
