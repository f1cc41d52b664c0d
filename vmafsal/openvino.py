"""OpenVINO: another runtime for the CPU, behind the two methods of ONNX Runtime's session."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from vmafsal.errors import DeviceError

if TYPE_CHECKING:
    from onnx import ModelProto

__all__ = ["PROVIDER", "Runner", "check_installed"]

PROVIDER = "OpenVINO"
"""What stands in a log where ONNX Runtime's provider would."""


def check_installed() -> None:
    """Make sure that OpenVINO is there.

    Raises:
        DeviceError: if it is not.
    """
    if find_spec("openvino") is None:
        raise DeviceError(
            "--compute fast needs OpenVINO, which is not installed: "
            "pip install 'vmafsal[openvino]', or leave --compute out."
        )


class Runner:
    """A network compiled for the CPU, in float32.

    Args:
        proto: as ONNX Runtime would take it; its dimensions may be open.
        threads: that one run uses.
    """

    def __init__(self, proto: ModelProto, threads: int) -> None:
        openvino = _import_silently()
        settings = {
            # Where the processor can, the default is bfloat16: up to 0.004 off in a mean.
            "INFERENCE_PRECISION_HINT": "f32",
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": 1,
            # Its own pinning would leave the cores that a worker was given.
            "ENABLE_CPU_PINNING": False,
        }
        core = openvino.Core()
        try:
            network = core.read_model(proto.SerializeToString())
            self._compiled = core.compile_model(network, "CPU", settings)
        except RuntimeError as error:
            raise RuntimeError(_reason(error)) from error
        self._request = self._compiled.create_infer_request()

    def get_providers(self) -> list[str]:
        """What runs, first."""
        return [PROVIDER]

    def run(
        self, outputs: Sequence[str], feeds: Mapping[str, NDArray[Any]]
    ) -> list[NDArray[np.float32]]:
        """Compute the outputs that are named.

        Args:
            outputs: names of the network's outputs.
            feeds: every input by its name.
        Returns:
            an array of its own for each output, in order.
        Raises:
            RuntimeError: with the reason, in a line, why it cannot.
        """
        try:
            answers = self._request.infer(dict(feeds), share_inputs=True, share_outputs=True)
        except RuntimeError as error:
            raise RuntimeError(_reason(error)) from error
        # The request writes over its outputs at the next run.
        return [np.array(answers[self._compiled.output(name)]) for name in outputs]


def _import_silently() -> Any:
    """The package openvino, without the one beside it that tells its makers of every import."""
    modules = cast("dict[str, Any]", sys.modules)
    reporter = "openvino_telemetry"
    known = reporter in modules
    modules.setdefault(reporter, None)  # as if it were not installed, which OpenVINO expects
    try:
        import openvino
    finally:
        if not known:
            del modules[reporter]
    return openvino


def _reason(error: RuntimeError) -> str:
    """The last line; those before it are places in OpenVINO's source."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
