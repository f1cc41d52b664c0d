"""ONNX Runtime: which provider truly runs, on how many threads."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vmafsal.errors import DeviceError, ModelError
from vmafsal.graph import make_batchable, widest_convolution
from vmafsal.options import parse_device

if TYPE_CHECKING:
    from vmafsal.model import Model

__all__ = ["Session"]

_CHANNEL_BLOCK = 8

_PROVIDERS = {
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
    "cpu": "CPUExecutionProvider",
}


def available_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Session:
    """A model on a device.

    Args:
        model: what load_model returned.
        device: see parse_device; "auto" takes the first GPU that works, else the CPU.
        threads: of the CPU provider; None for one a core, which is also the most there will be.
    Raises:
        DeviceError: if a device was named and does not work.
        ModelError: if ONNX Runtime cannot run the model.
    """

    def __init__(self, model: Model, device: str = "auto", threads: int | None = None) -> None:
        self.model = model
        # More threads than cores only wait for each other.
        self.threads = min(threads or available_cores(), available_cores())
        self._input = model.sidecar.input_name
        self._output = model.sidecar.output_name
        self._sigmoid = model.sidecar.activation == "sigmoid"
        create = self._creator(*parse_device(device))
        self.takes_batches = True
        if model.fixed_batch:
            self._session = create(make_batchable(model.proto, self._input).SerializeToString())
            self.takes_batches = self._keeps_pictures_apart()
        if not model.fixed_batch or not self.takes_batches:
            self._session = create(model.proto.SerializeToString())

    @property
    def provider(self) -> str:
        """The execution provider that runs, for example "CPUExecutionProvider"."""
        return str(self._session.get_providers()[0])

    @property
    def runtime_version(self) -> str:
        """Version of ONNX Runtime."""
        import onnxruntime

        return str(onnxruntime.__version__)

    def run(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """Saliency maps of a batch.

        Args:
            batch: float32 [N, 3, H, W], normalised; H and W multiples of the model's stride.
        Returns:
            float32 [N, 1, H, W].
        Raises:
            ModelError: if the model fails on it or answers another shape.
        """
        if not self.takes_batches and len(batch) > 1:
            return np.concatenate([self.run(batch[i : i + 1]) for i in range(len(batch))])
        try:
            (answer,) = self._session.run([self._output], {self._input: batch})
        except Exception as error:  # ONNX Runtime's own exceptions have no common base
            raise ModelError(_failure(self.model, batch.shape, error)) from error
        saliency: NDArray[np.float32] = answer
        expected = (len(batch), 1, *batch.shape[2:])
        if saliency.shape != expected:
            raise ModelError(
                f"{self.model.path.name} answered a map of {list(saliency.shape)} to a batch of "
                f"{list(batch.shape)}; {list(expected)} is expected."
            )
        return np.float32(1) / (np.float32(1) + np.exp(-saliency)) if self._sigmoid else saliency

    def _creator(self, kind: str, index: int) -> Callable[[bytes], Any]:
        """A function from a model's bytes to a session on the device, or a DeviceError."""
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self.threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 4
        # One plan for all of a network's tensors keeps more of them at once: half as much memory
        # again for a student at 1080p, and no time gained.
        options.enable_mem_pattern = False
        if widest_convolution(self.model.proto) < _CHANNEL_BLOCK:
            # The last level lays channels out in blocks of 16: the placeholder's one channel
            # would cost sixteen times its memory (0.5 GB at 2160p) and ten times its time.
            options.graph_optimization_level = (
                onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
            )
        # What a provider cannot do is said once, by us, in a sentence.
        onnxruntime.set_default_logger_severity(4)
        if kind != "cpu" and find_spec("nvidia") is not None:
            onnxruntime.preload_dlls()

        def create(data: bytes) -> Any:
            reason = "this ONNX Runtime was built without it"
            for wanted in ["cuda", "cpu"] if kind == "auto" else [kind]:
                provider = _PROVIDERS[wanted]
                if provider not in onnxruntime.get_available_providers():
                    continue
                settings = {} if wanted == "cpu" else {"device_id": str(index)}
                try:
                    session = onnxruntime.InferenceSession(
                        data, options, providers=[(provider, settings)], enable_fallback=0
                    )
                except Exception as error:  # ONNX Runtime's own exceptions have no common base
                    if wanted == "cpu":
                        raise ModelError(_failure(self.model, None, error)) from error
                    reason = _first_line(error)
                    continue
                # Being listed proves nothing: only what the session took counts.
                if session.get_providers()[0] == provider:
                    return session
                reason = (
                    "no NVIDIA GPU with its driver and libraries was found "
                    "(pip install 'vmafsal[cuda]' brings the libraries)"
                )
            raise DeviceError(
                f"The device {kind} cannot be used here: {reason}. "
                "Leave --device out, or use --device cpu."
            )

        return create

    def _keeps_pictures_apart(self) -> bool:
        """Tries two pictures at once: True where each gets the map it gets alone."""
        side = max(32, 2 * self.model.stride)
        height, width = self.model.policy.size or (side, side)
        pair = np.random.default_rng(0).standard_normal((2, 3, height, width), np.float32)
        try:
            together = self.run(pair)
            alone = np.concatenate([self.run(pair[:1]), self.run(pair[1:])])
        except ModelError:
            return False
        return bool(np.allclose(together, alone, rtol=0, atol=1e-4))


def _first_line(error: Exception) -> str:
    line = (str(error).strip().splitlines() or [type(error).__name__])[0]
    # ONNX Runtime puts a source path and a C++ signature before some of its sentences.
    return re.sub(r"^.*/onnxruntime\S*/.*?\)\s+", "", line).rstrip(".")


def _failure(model: Model, shape: tuple[int, ...] | None, error: Exception) -> str:
    where = f" on a batch of {list(shape)}" if shape else ""
    return (
        f"ONNX Runtime cannot run {model.path.name}{where}: {_first_line(error)}. "
        "Check the model with `vmafsal models verify`."
    )
