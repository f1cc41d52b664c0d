"""Session: a model on a device, from tensors or planes to maps."""

from __future__ import annotations

from threading import Semaphore
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vmafsal.errors import ModelError, VmafsalError
from vmafsal.infer.plan import Plan, available_cores, plan
from vmafsal.infer.runtime import PROVIDERS, first_line, runtime_version, start
from vmafsal.job import parse_device
from vmafsal.models.fuse import PlaneShape, can_fuse, fuse
from vmafsal.models.graph import make_batchable, widest_convolution

if TYPE_CHECKING:
    from onnx import ModelProto

    from vmafsal.models.model import Model
    from vmafsal.models.sidecar import InputPolicy
    from vmafsal.picture.tensors import Planes

__all__ = ["Session"]

_CHANNEL_BLOCK = 8

_FUSED_KEPT = 4
# Fused graphs in the cache, one for each size of picture: each holds weights and buffers.


class Session:
    """A model on a device.

    Args:
        model: what load_model returned.
        device: see parse_device; "auto" takes the first GPU that works, else the CPU.
        threads: of the CPU; None for one a core, which is also the maximum.
        tf32: let CUDA compute products of float32 in TF32, with 10 bits of mantissa.
        fused: take planes, and convert colour inside the graph. None does so on CUDA, where it
            saves most of the transfer. It does not speed up a CPU (docs/benchmarks.md).
        short_side: size of the model's input, in pixels; None for native. It decides the plan.
    Raises:
        DeviceError: if a device was named and does not work.
        ModelError: if the runtime cannot run the model.
    """

    def __init__(
        self,
        model: Model,
        device: str = "auto",
        threads: int | None = None,
        *,
        tf32: bool = False,
        fused: bool | None = None,
        short_side: int | None = None,
    ) -> None:
        self.model = model
        # More threads than cores only wait for each other.
        self.threads = min(threads or available_cores(), available_cores())
        self._input = model.sidecar.input_name
        self._output = model.sidecar.output_name
        self._sigmoid = model.sidecar.activation == "sigmoid"
        self._kind, self._gpu = parse_device(device)
        self._tf32 = tf32
        self._short_side = short_side
        self.plan = self._plan(on_cpu=True)
        """Workers, threads and batch size for the device that runs."""
        self._turns = Semaphore(self.plan.at_once)
        self.takes_batches = True
        self._proto = model.proto
        if model.fixed_batch:
            self._proto = make_batchable(model.proto, self._input)
            self._session = self._start(self._proto)
            self.takes_batches = self._keeps_pictures_apart()
        if not model.fixed_batch or not self.takes_batches:
            self._session = self._start(model.proto)
        on_cuda = self.provider == PROVIDERS["cuda"]
        if self._kind == "auto":
            # Later graphs have to run on the same device.
            self._kind = "cuda" if on_cuda else "cpu"
        self.plan = self._plan(on_cpu=self.provider == PROVIDERS["cpu"])
        self._turns = Semaphore(self.plan.at_once)
        self.tf32 = tf32 and on_cuda
        """True where products are computed in TF32."""
        possible = self.takes_batches and can_fuse(model.proto)
        self.fused = possible and (on_cuda if fused is None else fused)
        """True where batches hold planes, for run_planes."""
        self._fused_graphs: dict[tuple[InputPolicy, PlaneShape, bool], _FusedGraph] = {}

    @property
    def provider(self) -> str:
        """The execution provider that runs, for example "CPUExecutionProvider"."""
        return str(self._session.get_providers()[0])

    @property
    def runtime_version(self) -> str:
        """Version of ONNX Runtime."""
        return runtime_version()

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
            with self._turns:
                (answer,) = self._session.run([self._output], {self._input: batch})
        except Exception as error:  # ONNX Runtime's own exceptions have no common base
            raise ModelError(self._failure(batch.shape, error)) from error
        saliency: NDArray[np.float32] = answer
        expected = (len(batch), 1, *batch.shape[2:])
        if saliency.shape != expected:
            raise ModelError(
                f"{self.model.path.name} answered a map of {list(saliency.shape)} to a batch of "
                f"{list(batch.shape)}; {list(expected)} is expected."
            )
        if not self._sigmoid:
            return saliency
        with np.errstate(over="ignore"):  # far below 0 it is infinity, and the sigmoid 0
            return np.float32(1) / (np.float32(1) + np.exp(-saliency))

    def run_planes(self, planes: Planes, policy: InputPolicy) -> NDArray[np.float64]:
        """Mean, least and greatest saliency of each picture of a batch.

        Args:
            planes: a whole batch, padded with anything where there are fewer frames.
            policy: mean and standard deviation to normalise by.
        Returns:
            float64 [N, 3].
        Raises:
            ModelError: if the model fails on it.
        """
        scalars: NDArray[np.float64] = self._run_fused(planes, policy, maps=False)
        return scalars

    def run_planes_to_maps(self, planes: Planes, policy: InputPolicy) -> NDArray[np.float32]:
        """The saliency map of each picture of a batch, cropped to the picture.

        Args, Raises: as run_planes().
        Returns:
            float32 [N, H, W].
        """
        saliency: NDArray[np.float32] = self._run_fused(planes, policy, maps=True)
        return saliency

    def _run_fused(self, planes: Planes, policy: InputPolicy, *, maps: bool) -> NDArray[Any]:
        try:
            # A fused graph has one set of buffers.
            with self._turns:
                return self._fused_graph(policy, planes.shape, maps)(planes)
        except VmafsalError:
            raise
        except Exception as error:  # ONNX Runtime's own exceptions have no common base
            raise ModelError(self._failure((planes.shape.frames,), error)) from error

    def _fused_graph(self, policy: InputPolicy, shape: PlaneShape, maps: bool) -> _FusedGraph:
        wanted = (policy, shape, maps)
        if wanted not in self._fused_graphs:
            while len(self._fused_graphs) >= _FUSED_KEPT:
                self._fused_graphs.pop(next(iter(self._fused_graphs)))
            proto = fuse(self._proto, self.model.sidecar, policy, shape, maps=maps)
            output = proto.graph.output[0].name
            self._fused_graphs[wanted] = _FusedGraph(
                self._start(proto), shape, output, self._memory
            )
        return self._fused_graphs[wanted]

    def _plan(self, *, on_cpu: bool) -> Plan:
        return plan(self._short_side, on_cpu=on_cpu, threads=self.threads)

    @property
    def _memory(self) -> tuple[str, int]:
        """Kind and number of the device where tensors are."""
        return ("cuda", self._gpu) if self.provider == PROVIDERS["cuda"] else ("cpu", 0)

    def _start(self, proto: ModelProto) -> Any:
        """A session of ONNX Runtime for a graph on the device."""
        try:
            return start(
                proto,
                self._kind,
                self._gpu,
                {"cpu": self._plan(on_cpu=True), "gpu": self._plan(on_cpu=False)},
                tf32=self._tf32,
                # In blocks of 16 channels the placeholder, which has one channel, would take
                # sixteen times the memory (0.5 GB at 2160p) and ten times the time.
                optimise_layout=widest_convolution(self.model.proto) >= _CHANNEL_BLOCK,
            )
        except ModelError as error:
            raise ModelError(self._failure(None, error)) from error

    def _failure(self, shape: tuple[int, ...] | None, error: Exception) -> str:
        where = f" on a batch of {list(shape)}" if shape else ""
        return (
            f"ONNX Runtime cannot run {self.model.path.name}{where}: {first_line(error)}. "
            "Check the model with `vmafsal models verify`."
        )

    def _keeps_pictures_apart(self) -> bool:
        """Whether a batch of two pictures gives the same maps as the pictures one by one."""
        side = max(32, 2 * self.model.stride)
        height, width = self.model.policy.size or (side, side)
        pair = np.random.default_rng(0).standard_normal((2, 3, height, width), np.float32)
        try:
            together = self.run(pair)
            alone = np.concatenate([self.run(pair[:1]), self.run(pair[1:])])
        except ModelError:
            return False
        return bool(np.allclose(together, alone, rtol=0, atol=1e-4))


class _FusedGraph:
    """A fused graph on a device, bound to buffers there that all batches share."""

    def __init__(
        self, session: Any, shape: PlaneShape, output: str, device: tuple[str, int]
    ) -> None:
        """
        Args:
            session: of ONNX Runtime.
            shape: what it was made for.
            output: name of its output, SCALARS or MAPS.
            device: its kind ("cpu", "cuda") and number, where the buffers lie.
        """
        from onnxruntime import OrtValue

        self._session = session
        self._binding = session.io_binding()
        self._inputs = {
            name: OrtValue.ortvalue_from_shape_and_type(dims, kind, *device)
            for name, (kind, dims) in shape.inputs.items()
        }
        for name, value in self._inputs.items():
            self._binding.bind_ortvalue_input(name, value)
        kind, dims = shape.outputs[output]
        self._answer = OrtValue.ortvalue_from_shape_and_type(dims, kind, *device)
        self._binding.bind_ortvalue_output(output, self._answer)

    def __call__(self, planes: Planes) -> NDArray[Any]:
        """Copy the planes over, run, and copy the answer back."""
        for name, value in self._inputs.items():
            value.update_inplace(planes.inputs[name])
        self._binding.synchronize_inputs()
        self._session.run_with_iobinding(self._binding)
        self._binding.synchronize_outputs()
        answer: NDArray[Any] = self._answer.numpy()
        return answer.copy()
