"""How much arithmetic a network does on one picture."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from vmafsal.models.graph import dimensions

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

__all__ = ["flops"]

Shape = list[int]


def flops(model: ModelProto, input_name: str, height: int, width: int) -> int:
    """Floating-point operations of one picture, a multiplication and an addition being two.

    Convolutions and matrix products count; activations, pooling and resizing, which move memory
    rather than compute, do not.

    Args:
        model: the network.
        input_name: the picture's tensor.
        height, width: of the tensor.
    """
    from onnx import ModelProto, shape_inference

    fixed = ModelProto()
    fixed.CopyFrom(model)
    del fixed.graph.value_info[:]
    (picture,) = (value for value in fixed.graph.input if value.name == input_name)
    for dimension, length in zip(
        picture.type.tensor_type.shape.dim, (1, 3, height, width), strict=True
    ):
        dimension.dim_value = length
    for value in fixed.graph.output:
        value.type.tensor_type.ClearField("shape")
    graph = shape_inference.infer_shapes(fixed, data_prop=True).graph
    shapes: dict[str, Shape] = {tensor.name: list(tensor.dims) for tensor in graph.initializer}
    for value in (*graph.input, *graph.value_info, *graph.output):
        shapes[value.name] = [size if isinstance(size, int) else 0 for size in dimensions(value)]
    return sum(_node_flops(node, shapes) for node in graph.node)


def _node_flops(node: NodeProto, shapes: dict[str, Shape]) -> int:
    if node.op_type == "Conv":
        # Each output value is a sum over one filter: weights are [out, in / groups, kh, kw].
        return 2 * prod(shapes[node.output[0]]) * prod(shapes[node.input[1]][1:])
    if node.op_type == "ConvTranspose":
        # Each input value is spread by one filter: weights are [in, out / groups, kh, kw].
        return 2 * prod(shapes[node.input[0]]) * prod(shapes[node.input[1]][1:])
    if node.op_type in ("MatMul", "Gemm"):
        transposed = any(item.name == "transA" and item.i for item in node.attribute)
        inner = shapes[node.input[0]][0 if transposed else -1]
        return 2 * prod(shapes[node.output[0]]) * inner
    return 0
