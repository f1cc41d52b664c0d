"""ONNX Runtime: starts sessions, and determines which provider runs."""

from __future__ import annotations

import ctypes
import re
import sys
from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from vmafsal.errors import DeviceError, ModelError

if TYPE_CHECKING:
    from onnx import ModelProto

    from vmafsal.infer.plan import Plan

__all__ = ["PROVIDERS", "first_line", "runtime_version", "silence_runtime", "start"]

PROVIDERS = {
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
    "cpu": "CPUExecutionProvider",
}
"""Device to ONNX Runtime's name of what runs there."""

_FATAL = 4
"""ONNX Runtime's level of severity for what ends the process."""


def runtime_version() -> str:
    """Version of ONNX Runtime."""
    import onnxruntime

    return str(onnxruntime.__version__)


def silence_runtime() -> None:
    """Keep ONNX Runtime's own messages off standard error, in the whole process.

    What a provider cannot do is reported once, as an error of vmafsal. This is for processes of
    vmafsal alone: the setting applies to every user of ONNX Runtime in the process.
    """
    import onnxruntime

    onnxruntime.set_default_logger_severity(_FATAL)


def start(
    proto: ModelProto,
    kind: str,
    gpu: int,
    plans: dict[str, Plan],
    *,
    tf32: bool,
    optimise_layout: bool,
) -> Any:
    """Start a session of ONNX Runtime on a device.

    Args:
        proto: the graph.
        kind: "cpu", "cuda", "tensorrt", or "auto": CUDA where it works, else the CPU.
        gpu: number of the GPU.
        plans: how it is run on "cpu", and on a "gpu".
        tf32: let CUDA compute products of float32 in TF32, with 10 bits of mantissa.
        optimise_layout: let the CPU provider store channels in blocks.
    Returns:
        an onnxruntime.InferenceSession.
    Raises:
        DeviceError: if the device that was named does not work.
        ModelError: if the CPU provider cannot run the graph. The message is ONNX Runtime's.
    """
    import onnxruntime

    reason = "this ONNX Runtime was built without it"
    for wanted in ["cuda", "cpu"] if kind == "auto" else [kind]:
        provider = PROVIDERS[wanted]
        if provider not in onnxruntime.get_available_providers():
            continue
        if wanted != "cpu":
            reason = (
                "no NVIDIA GPU with its driver and libraries was found "
                "(pip install 'vmafsal[cuda]' installs the libraries)"
            )
            # Without a driver, trying would only make ONNX Runtime write to standard error.
            if not _has_driver():
                continue
            if find_spec("nvidia") is not None:
                onnxruntime.preload_dlls()
        options = _options(plans["cpu" if wanted == "cpu" else "gpu"], optimise_layout)
        try:
            session = onnxruntime.InferenceSession(
                proto.SerializeToString(),
                options,
                providers=[(provider, _settings(wanted, gpu, tf32))],
                enable_fallback=0,
            )
        except Exception as error:  # ONNX Runtime's own exceptions have no common base
            if wanted == "cpu":
                raise ModelError(first_line(error)) from error
            reason = first_line(error)
            continue
        # A provider that is listed may still fail: the session says which one it uses.
        if session.get_providers()[0] == provider:
            return session
    raise DeviceError(
        f"The device {kind} cannot be used here: {reason}. Leave --device out, or use --device cpu."
    )


def first_line(error: Exception) -> str:
    """What is wrong, from one of ONNX Runtime's messages, without its full stop."""
    line = (str(error).strip().splitlines() or [type(error).__name__])[0]
    # Some begin with a source path and a C++ signature.
    return re.sub(r"^.*/onnxruntime\S*/.*?\)\s+", "", line).rstrip(".")


@cache
def _has_driver() -> bool:
    """Whether the NVIDIA driver's library can be loaded."""
    try:
        ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return False
    return True


def _options(plan: Plan, optimise_layout: bool) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = plan.runtime_threads
    options.inter_op_num_threads = 1
    options.log_severity_level = _FATAL
    # A memory pattern keeps more of a network's tensors allocated: 1.5 times the memory for a
    # student at 1080p, and no gain in time. But concurrent runs without one evict each other's
    # memory from the caches and take a third longer.
    options.enable_mem_pattern = plan.at_once > 1
    if not optimise_layout:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    return options


def _settings(kind: str, index: int, tf32: bool) -> dict[str, str]:
    """Options of a provider, as ONNX Runtime's documentation of each names them."""
    if kind == "cpu":
        return {}
    if kind == "tensorrt":
        return {"device_id": str(index)}
    return {
        "device_id": str(index),
        # Trying every algorithm, the default, takes seconds for each new size.
        "cudnn_conv_algo_search": "HEURISTIC",
        "use_tf32": str(int(tf32)),
    }
