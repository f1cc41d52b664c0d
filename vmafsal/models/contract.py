"""What a network must be to stand behind the feature: allowed operators, names, ranks, types."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from vmafsal.errors import ModelError
from vmafsal.models.graph import dimensions, operators
from vmafsal.models.sidecar import Sidecar

if TYPE_CHECKING:
    from onnx import ModelProto

__all__ = ["OPERATORS", "check_contract", "check_operators"]

OPERATORS = frozenset(
    """
    Conv ConvTranspose BatchNormalization InstanceNormalization LayerNormalization Relu LeakyRelu
    PRelu Clip Elu Selu Gelu HardSigmoid HardSwish Sigmoid Tanh Softmax LogSoftmax Softplus Softsign
    MaxPool AveragePool GlobalAveragePool GlobalMaxPool Gemm MatMul Add Sub Mul Div Neg Abs Sqrt
    Pow Exp Log Erf Min Max Sum Mean Reciprocal ReduceMean ReduceSum ReduceMax ReduceMin ReduceProd
    Concat Slice Split Gather GatherND Reshape Flatten Squeeze Unsqueeze Transpose Expand Pad Cast
    Shape Identity Constant ConstantOfShape Dropout Resize QuantizeLinear DequantizeLinear
    """.split()  # noqa: SIM905
)
"""What a model may be made of: arithmetic on tensors; no loops, no strings, no custom code."""

_STANDARD_DOMAINS = ("", "ai.onnx")
_RESIZE_MODES = ("nearest", "linear")


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
        for attribute in node.attribute if node.op_type == "Resize" else ():
            mode = attribute.s.decode(errors="replace")
            if attribute.name == "mode" and mode not in _RESIZE_MODES:
                raise ModelError(
                    f"{name} resizes in mode {mode}; allowed are {' and '.join(_RESIZE_MODES)}."
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
        else f"Its sidecar {sidecar.path.name} says so; correct it, see docs/models.md."
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


def _names(values: Iterable[str]) -> str:
    return ", ".join(values) or "nothing"
