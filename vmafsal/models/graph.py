"""ONNX graphs: what they hold, how far they shrink a picture, and how they take a batch."""

from __future__ import annotations

from collections.abc import Iterator
from math import lcm
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto, ValueInfoProto

__all__ = [
    "derive_stride",
    "dimensions",
    "make_batchable",
    "operators",
    "parameter_count",
    "widest_convolution",
]


def dimensions(value: ValueInfoProto) -> list[int | str]:
    """Dimensions of a graph's input or output: numbers, names, or "" where nothing is said."""
    return [
        dim.dim_value if dim.HasField("dim_value") else dim.dim_param
        for dim in value.type.tensor_type.shape.dim
    ]


def operators(graph: GraphProto) -> Iterator[tuple[str, str]]:
    """(domain, operator) of every node, nested graphs included."""
    for node in graph.node:
        yield node.domain, node.op_type
        for attribute in node.attribute:
            for nested in (*attribute.graphs, *([attribute.g] if attribute.HasField("g") else [])):
                yield from operators(nested)


def parameter_count(model: ModelProto) -> int:
    """Learnt numbers in the file: the elements of all float initialisers."""
    from onnx import TensorProto

    total = 0
    for tensor in model.graph.initializer:
        if tensor.data_type in (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE):
            count = 1
            for dim in tensor.dims:
                count *= dim
            total += count
    return total


def widest_convolution(model: ModelProto) -> int:
    """The largest number of channels that a convolution puts out; 0 where there is none."""
    shapes = {tensor.name: tensor.dims for tensor in model.graph.initializer}
    return max(
        (
            shapes[node.input[1]][0]
            for node in model.graph.node
            if node.op_type == "Conv" and node.input[1] in shapes
        ),
        default=0,
    )


def derive_stride(model: ModelProto, input_name: str) -> int:
    """The number that height and width must be multiples of, from the graph's downsampling.

    Follows strides of convolutions and pools, and factors of transposed convolutions and
    resizes, from the input on; the answer is the strongest downsampling that is reached. A resize
    to the size of another tensor gets that tensor's factor.

    Args:
        model: the network.
        input_name: name of the picture's tensor.
    Returns:
        1 for a network that keeps its size, 8 for three halvings.
    """
    constants = _constants(model)
    shrink: dict[str, float] = {input_name: 1.0}
    sizes: dict[str, float] = {}  # tensors that hold a size: the factor of what has that size
    stride = 1
    for node in model.graph.node:
        factors = [shrink[name] for name in node.input if name in shrink]
        known_sizes = [sizes[name] for name in node.input if name in sizes]
        if node.op_type == "Shape" and factors:
            sizes |= dict.fromkeys(node.output, factors[0])
        elif factors:
            factor = max(factors) * _downsampling(node, constants)
            if node.op_type == "Resize" and known_sizes:
                factor = known_sizes[-1]
            shrink |= dict.fromkeys(node.output, factor)
            if factor > 1:
                stride = lcm(stride, round(factor))
        elif known_sizes:
            # The last of several is the width, or holds it: [N, C] + [H, W].
            sizes |= dict.fromkeys(node.output, known_sizes[-1])
    return stride


def _downsampling(node: NodeProto, constants: dict[str, list[float]]) -> float:
    attributes = {attribute.name: attribute for attribute in node.attribute}
    strides = max(attributes["strides"].ints) if "strides" in attributes else 1
    if node.op_type in ("Conv", "MaxPool", "AveragePool"):
        return float(strides)
    if node.op_type == "ConvTranspose":
        return 1.0 / strides
    if node.op_type == "Resize" and len(node.input) > 2:
        scales = constants.get(node.input[2], [])
        if len(scales) == 4 and scales[2] > 0:
            return 1.0 / scales[2]
    return 1.0


def _constants(model: ModelProto) -> dict[str, list[float]]:
    from onnx import numpy_helper

    small = {
        tensor.name: numpy_helper.to_array(tensor).ravel().tolist()
        for tensor in model.graph.initializer
        if tensor.ByteSize() < 256
    }
    for node in model.graph.node:
        if node.op_type == "Constant":
            for attribute in node.attribute:
                if attribute.name == "value" and attribute.t.ByteSize() < 256:
                    small[node.output[0]] = numpy_helper.to_array(attribute.t).ravel().tolist()
    return small


def make_batchable(model: ModelProto, input_name: str) -> ModelProto:
    """The same network with a batch dimension of any length.

    Exports often fix the batch at 1: in the input's shape, in the outputs' shapes, and in the
    target shapes of Reshape. All three are opened. Whether the network then keeps pictures apart
    is checked by a trial run (see Session).

    Args:
        model: the network; it is not changed.
        input_name: the picture's tensor.
    Returns:
        the opened network.
    """
    import onnx

    opened = onnx.ModelProto()
    opened.CopyFrom(model)
    del opened.graph.value_info[:]
    for value in opened.graph.input:
        if value.name == input_name:
            value.type.tensor_type.shape.dim[0].dim_param = "N"
    for value in opened.graph.output:
        if value.type.tensor_type.shape.dim:
            value.type.tensor_type.shape.dim[0].dim_param = "N"
    _open_reshapes(opened)
    return opened


def _open_reshapes(model: ModelProto) -> None:
    """Let constant target shapes that begin with 1 copy their input's first dimension."""
    import numpy as np
    from onnx import numpy_helper

    targets = {node.input[1] for node in model.graph.node if node.op_type == "Reshape"}
    for tensor in model.graph.initializer:
        if tensor.name in targets:
            shape = numpy_helper.to_array(tensor)
            if shape.size > 1 and shape[0] == 1:
                tensor.CopyFrom(numpy_helper.from_array(np.append(0, shape[1:]), tensor.name))
    for node in model.graph.node:
        if node.op_type == "Constant" and node.output[0] in targets:
            shape = numpy_helper.to_array(node.attribute[0].t)
            if shape.size > 1 and shape[0] == 1:
                node.attribute[0].t.CopyFrom(numpy_helper.from_array(np.append(0, shape[1:])))
