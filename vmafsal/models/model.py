"""From a path or a registry id to a network that may be run: hash, contract, allowlist."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from vmafsal.errors import ModelError
from vmafsal.models.graph import (
    derive_stride,
    dimensions,
    operators,
    parameter_count,
)
from vmafsal.models.registry import Entry, packaged_registry
from vmafsal.models.sidecar import InputPolicy, Sidecar, read_sidecar

if TYPE_CHECKING:
    from onnx import ModelProto

__all__ = ["OPERATORS", "Model", "check_contract", "check_operators", "load_model", "resolve_model"]

OPERATORS = frozenset(
    """
    Conv ConvTranspose BatchNormalization InstanceNormalization LayerNormalization Relu LeakyRelu
    PRelu Clip Elu Selu Gelu HardSigmoid HardSwish Sigmoid Tanh Softmax Softplus Softsign Erf
    MaxPool AveragePool GlobalAveragePool GlobalMaxPool Gemm MatMul Add Sub Mul Div Neg Abs Sqrt
    Pow Exp Log Min Max Sum Mean Reciprocal ReduceMean ReduceSum ReduceMax ReduceMin ReduceProd
    Concat Slice Split Gather GatherND Reshape Flatten Squeeze Unsqueeze Transpose Expand Pad Cast
    Shape Identity Constant ConstantOfShape Dropout Resize QuantizeLinear DequantizeLinear
    """.split()  # noqa: SIM905
)
"""What a model may be made of: arithmetic on tensors; no loops, no strings, no custom code."""

_STANDARD_DOMAINS = ("", "ai.onnx")
_RESIZE_MODES = ("nearest", "linear")


@dataclass(frozen=True)
class Model:
    """A network that passed every check, ready for a session."""

    id: str
    path: Path
    sha256: str
    proto: ModelProto
    """As in the file."""
    sidecar: Sidecar
    entry: Entry | None
    """Its line in the packaged registry; None for a model from elsewhere."""

    @property
    def policy(self) -> InputPolicy:
        """How it wants its pictures."""
        return self.sidecar.policy

    @property
    def smoke(self) -> bool:
        """True for a placeholder, whose numbers mean nothing."""
        return self.entry is not None and self.entry.smoke

    @cached_property
    def stride(self) -> int:
        """Height and width must be multiples of this: the sidecar's word, else the graph's."""
        return self.sidecar.stride or derive_stride(self.proto, self.sidecar.input_name)

    @cached_property
    def fixed_batch(self) -> bool:
        """True where the file fixes the batch at 1."""
        (picture,) = (v for v in self.proto.graph.input if v.name == self.sidecar.input_name)
        return dimensions(picture)[0] == 1

    @cached_property
    def parameters(self) -> int:
        """Learnt numbers in the file (batch norms are folded in most exports)."""
        return parameter_count(self.proto)

    @cached_property
    def operator_names(self) -> tuple[str, ...]:
        """The operators that the network uses, sorted."""
        return tuple(sorted({name for _, name in operators(self.proto.graph)}))


def resolve_model(spec: str | None) -> tuple[Path, Entry | None]:
    """Find the file behind a path, a registry id, or nothing (the packaged default).

    Args:
        spec: path of an ONNX file, or an id from the registry; None or "" for the default.
    Returns:
        its path and, for a packaged model, its registry entry.
    Raises:
        ModelError: if there is no such file and no such id.
    """
    registry = packaged_registry()
    if not spec:
        entry = registry.find(registry.default)
        return registry.folder / entry.onnx, entry
    path = Path(spec).expanduser()
    if path.exists():
        return path, registry.owner(path)
    if path.name != spec or path.suffix == ".onnx":
        raise ModelError(
            f"The model {spec} does not exist. Give the path of an ONNX file or one of the ids "
            "that `vmafsal models` lists."
        )
    entry = registry.find(spec)
    return registry.folder / entry.onnx, entry


def load_model(spec: str | None = None) -> Model:
    """Load a model and check it before anything runs it.

    Args:
        spec: path of an ONNX file, or an id from the registry; None for the packaged default.
    Returns:
        the model; its bytes matched the registry's sha256 where it stands in the registry.
    Raises:
        ModelError: if it is missing, damaged, not allowed, or does not keep the contract.
    """
    path, entry = resolve_model(spec)
    data = _read(path)
    sha256 = hashlib.sha256(data).hexdigest()
    if entry is not None and sha256 != entry.sha256:
        raise ModelError(
            f"The model {path.name} is not the one in the registry: its sha256 is {sha256}, not "
            f"{entry.sha256}. Install vmafsal again."
        )
    sidecar = read_sidecar(path)
    proto = _parse(data, path)
    check_operators(proto, path.name)
    check_contract(proto, sidecar, path.name)
    return Model(
        id=entry.id if entry else sidecar.id,
        path=path,
        sha256=sha256,
        proto=proto,
        sidecar=sidecar,
        entry=entry,
    )


def _read(path: Path) -> bytes:
    if path.is_dir():
        raise ModelError(f"The model {path} is a directory. Give the path of an ONNX file.")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ModelError(f"The model {path} cannot be read: {error.strerror}.") from error
    if not data:
        raise ModelError(f"The model {path} is empty. Get the file again.")
    return data


def _parse(data: bytes, path: Path) -> ModelProto:
    import onnx
    from google.protobuf.message import DecodeError
    from onnx.external_data_helper import load_external_data_for_model

    damaged = ModelError(
        f"{path} is not an ONNX model, or it was cut off on its way. Get the file again."
    )
    try:
        proto = onnx.load_model_from_string(data)
    except DecodeError as error:
        raise damaged from error
    if not proto.graph.node or not proto.opset_import:
        raise damaged
    _check_external_data(proto, path)
    try:
        load_external_data_for_model(proto, str(path.parent))
        onnx.checker.check_model(proto)
    except FileNotFoundError as error:
        raise ModelError(
            f"{path.name} keeps weights in another file that is not there ({error}). "
            "Put it beside the model."
        ) from error
    except (onnx.checker.ValidationError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ModelError(f"{path.name} is no valid ONNX model: {reason}") from error
    return proto


def _check_external_data(proto: ModelProto, path: Path) -> None:
    for tensor in proto.graph.initializer:
        for item in tensor.external_data:
            if item.key != "location":
                continue
            location = PurePosixPath(item.value.replace("\\", "/"))
            if location.is_absolute() or ".." in location.parts or ":" in location.parts[0]:
                raise ModelError(
                    f"{path.name} wants to read {item.value}, which lies outside its own folder. "
                    "Such a model is not run; put the weights beside it or inside it."
                )


def check_operators(proto: ModelProto, name: str) -> None:
    """Check that a network is made of allowed operators alone.

    Args:
        proto: the network.
        name: what to call it in the message.
    Raises:
        ModelError: naming the operators that are not allowed.
    """
    strange = sorted(
        {
            operator if domain in _STANDARD_DOMAINS else f"{domain}.{operator}"
            for domain, operator in operators(proto.graph)
            if domain not in _STANDARD_DOMAINS or operator not in OPERATORS
        }
    )
    if strange:
        raise ModelError(
            f"{name} uses operators that are not allowed: {', '.join(strange)}. "
            "docs/models.md lists the allowed ones."
        )
    for node in proto.graph.node:
        if node.op_type == "Resize":
            for attribute in node.attribute:
                if attribute.name == "mode" and attribute.s.decode() not in _RESIZE_MODES:
                    raise ModelError(
                        f"{name} resizes in mode {attribute.s.decode()}; "
                        f"allowed are {' and '.join(_RESIZE_MODES)}."
                    )


def check_contract(proto: ModelProto, sidecar: Sidecar, name: str) -> None:
    """Check names, ranks, types and fixed sizes against what the sidecar promises.

    Args:
        proto: the network.
        sidecar: its sidecar; without one, `input` -> `saliency_map` at any size.
        name: what to call it in the message.
    Raises:
        ModelError: saying what differs.
    """
    from onnx import TensorProto

    initialisers = {tensor.name for tensor in proto.graph.initializer}
    inputs = {value.name: value for value in proto.graph.input if value.name not in initialisers}
    outputs = {value.name: value for value in proto.graph.output}
    remedy = (
        "A sidecar beside the model can say how to use it; see docs/models.md."
        if sidecar.path is None
        else f"Its sidecar {sidecar.path.name} says so; mend it, see docs/models.md."
    )
    if list(inputs) != [sidecar.input_name]:
        raise ModelError(
            f"{name} takes {_names(inputs)} where one input {sidecar.input_name} is expected. "
            f"{remedy}"
        )
    if sidecar.output_name not in outputs:
        raise ModelError(
            f"{name} answers {_names(outputs)} where {sidecar.output_name} is expected. {remedy}"
        )
    for value, channels in (
        (inputs[sidecar.input_name], 3),
        (outputs[sidecar.output_name], 1),
    ):
        tensor_type = value.type.tensor_type
        if tensor_type.elem_type != TensorProto.FLOAT:
            kind = TensorProto.DataType.Name(tensor_type.elem_type)
            raise ModelError(f"{name}: {value.name} is {kind} where float32 is expected.")
        dims = dimensions(value)
        known = isinstance(dims[1], int) if len(dims) == 4 else False
        if len(dims) != 4 or (known and dims[1] != channels):
            shape = ", ".join(str(dim) or "?" for dim in dims)
            raise ModelError(
                f"{name}: {value.name} has the shape [{shape}] where [N, {channels}, H, W] is "
                "expected."
            )
    batch, _, height, width = dimensions(inputs[sidecar.input_name])
    if isinstance(batch, int) and batch not in (0, 1):
        raise ModelError(f"{name} takes {batch} pictures at once; export it with a free batch.")
    fixed = [size for size in (height, width) if isinstance(size, int) and size > 0]
    if fixed and list(sidecar.policy.size or ()) != [height, width]:
        raise ModelError(
            f"{name} takes pictures of {width}x{height} only, which its sidecar does not state. "
            f'Write {{"input": {{"size": [{height}, {width}]}}}} into '
            f"{Path(name).with_suffix('.json').name} beside it."
        )


def _names(values: dict[str, object]) -> str:
    return ", ".join(values) or "nothing"
