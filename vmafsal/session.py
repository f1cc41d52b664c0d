"""ONNX Runtime: which provider truly runs, on how many threads."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vmafsal.errors import DeviceError, ModelError

if TYPE_CHECKING:
    from vmafsal.model import Model

__all__ = ["Session", "parse_device"]

_PROVIDERS = {
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
    "cpu": "CPUExecutionProvider",
}


def parse_device(device: str) -> tuple[str, int]:
    """Split a device name.

    Args:
        device: "auto", "cpu", "cuda", "cuda:1" or "tensorrt".
    Returns:
        (kind, index of the GPU).
    Raises:
        DeviceError: if it is none of them.
    """
    match = re.fullmatch(r"(auto|cpu|(cuda|tensorrt)(?::(\d+))?)", device)
    if match is None:
        raise DeviceError(
            f"There is no device called {device}. Choose auto, cpu, cuda, cuda:N or tensorrt."
        )
    return match[2] or match[1], int(match[3] or 0)


def available_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Session:
    """A model on a device.

    Args:
        model: what load_model returned.
        device: see parse_device; "auto" takes the first GPU that works, else the CPU.
        threads: of the CPU provider; None for one a core.
    Raises:
        DeviceError: if a device was named and does not work.
        ModelError: if ONNX Runtime cannot run the model.
    """

    def __init__(self, model: Model, device: str = "auto", threads: int | None = None) -> None:
        kind, index = parse_device(device)
        self.model = model
        self.threads = threads or available_cores()
        self.takes_batches = model.batchable is not None
        self._input = model.sidecar.input_name
        self._output = model.sidecar.output_name
        self._sigmoid = model.sidecar.activation == "sigmoid"
        data = (model.batchable or model.proto).SerializeToString()
        self._session = self._create(data, kind, index)

    @property
    def provider(self) -> str:
        """The execution provider that runs, for example "CPUExecutionProvider"."""
        return str(self._session.get_providers()[0])

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
            saliency: NDArray[np.float32] = self._session.run([self._output], {self._input: batch})[
                0
            ]
        except Exception as error:  # ONNX Runtime's own exceptions have no common base
            raise ModelError(_failure(self.model, batch.shape, error)) from error
        expected = (len(batch), 1, *batch.shape[2:])
        if saliency.shape != expected:
            raise ModelError(
                f"{self.model.path.name} answered a map of {list(saliency.shape)} to a batch of "
                f"{list(batch.shape)}; {list(expected)} is expected."
            )
        if self._sigmoid:
            saliency = (1.0 / (1.0 + np.exp(-saliency))).astype(np.float32)
        return saliency

    def _create(self, data: bytes, kind: str, index: int) -> Any:
        import onnxruntime

        onnxruntime.set_default_logger_severity(4)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self.threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 4
        listed = onnxruntime.get_available_providers()
        kinds = ["cuda", "cpu"] if kind == "auto" else [kind]
        reason = "this ONNX Runtime was built without it"
        for wanted in kinds:
            provider = _PROVIDERS[wanted]
            if provider not in listed or (wanted == "cuda" and not _has_nvidia_gpu()):
                reason = reason if provider not in listed else "no NVIDIA GPU or driver was found"
                continue
            settings = {} if wanted == "cpu" else {"device_id": str(index)}
            try:
                # With one provider named, ONNX Runtime cannot fall back without a word:
                # what get_providers() lists first afterwards is what runs.
                session = onnxruntime.InferenceSession(
                    data, sess_options=options, providers=[(provider, settings)]
                )
            except Exception as error:  # ONNX Runtime's own exceptions have no common base
                if wanted == "cpu":
                    raise ModelError(_failure(self.model, None, error)) from error
                reason = _first_line(error)
                continue
            if session.get_providers()[0] == provider:
                return session
            reason = "ONNX Runtime could not load its libraries (pip install 'vmafsal[cuda]')"
        raise DeviceError(
            f"The device {kind} cannot be used here: {reason}. Leave --device out, or use "
            "--device cpu."
        )


def _has_nvidia_gpu() -> bool:
    """True where a driver shows a GPU; spares everybody else ONNX Runtime's failed attempt."""
    return any(os.path.exists(path) for path in ("/dev/nvidiactl", "/dev/dxg")) or os.name == "nt"


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")


def _failure(model: Model, shape: tuple[int, ...] | None, error: Exception) -> str:
    where = f" on a batch of {list(shape)}" if shape else ""
    return (
        f"ONNX Runtime cannot run {model.path.name}{where}: {_first_line(error)}. "
        "Check the model with `vmafsal models verify`."
    )
