"""One graph from integer planes to maps, or to their means: colour, padding and a network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from vmafsal.video.frame import CHROMA_SHIFT, Chroma, chroma_size

if TYPE_CHECKING:
    from onnx import ModelProto

    from vmafsal.models.sidecar import InputPolicy, Sidecar

__all__ = ["CONVERSION", "MAPS", "PLANES", "SCALARS", "PlaneShape", "can_fuse", "fuse"]

PLANES = ("vmafsal/plane_0", "vmafsal/plane_1", "vmafsal/plane_2")
"""Inputs of a fused graph, as many as a frame has planes: uint8 or uint16 [N, h, w]."""

CONVERSION = "vmafsal/conversion"
"""Input of a fused graph, unless the planes are RGB: float32 [N, 7, 1, 1], a row of
color.conversion for each frame."""

SCALARS = "vmafsal/scalars"
"""Output of a fused graph: float64 [N, 3], the mean, least and greatest value of each map."""

MAPS = "vmafsal/maps"
"""Output of a fused graph instead: float32 [N, H, W], cropped to the pictures."""

_OLDEST_OPSET = 11  # the first whose Resize takes a coordinate transformation
_AXES_ARE_INPUTS = 18  # from this opset on, of reductions


@dataclass(frozen=True, slots=True)
class PlaneShape:
    """Shape of a batch of planes; a fused graph is built for one such shape."""

    frames: int
    height: int
    """Of the picture, in pixels."""
    width: int
    chroma: Chroma
    bit_depth: int
    """8 to 16."""
    multiple: int = 1
    """Height and width are edge-replicated up to a multiple of this."""

    @property
    def inputs(self) -> dict[str, tuple[np.dtype[Any], tuple[int, ...]]]:
        """Type and shape of each input of the graph, by name."""
        sample: np.dtype[Any] = np.dtype(np.uint8 if self.bit_depth == 8 else np.uint16)
        sizes = [(self.height, self.width)]
        if self.chroma != "400":
            sizes += [chroma_size(self.height, self.width, self.chroma)] * 2
        inputs: dict[str, tuple[np.dtype[Any], tuple[int, ...]]] = {
            name: (sample, (self.frames, *size)) for name, size in zip(PLANES, sizes, strict=False)
        }
        if self.chroma != "rgb":
            inputs[CONVERSION] = np.dtype(np.float32), (self.frames, 7, 1, 1)
        return inputs

    @property
    def outputs(self) -> dict[str, tuple[np.dtype[Any], tuple[int, ...]]]:
        """Type and shape of each output that a graph may have, by name."""
        return {
            SCALARS: (np.dtype(np.float64), (self.frames, 3)),
            MAPS: (np.dtype(np.float32), (self.frames, self.height, self.width)),
        }


def can_fuse(model: ModelProto) -> bool:
    """Whether a network's operator set has the operators that a fused graph adds."""
    return _opset(model) >= _OLDEST_OPSET


def fuse(
    model: ModelProto,
    sidecar: Sidecar,
    policy: InputPolicy,
    shape: PlaneShape,
    *,
    maps: bool = False,
) -> ModelProto:
    """Add pre- and postprocessing to a network's graph: planes in, maps or three numbers out.

    The operators do what color.frame_to_tensor, padding.replicate_edges and features'
    saliency_mean do, in the same order. They compute in float32, so that the network gets the same
    bits; only the mean is computed in float64.

    Args:
        model: the network, which must take batches and treat their pictures independently; it is
            not changed.
        sidecar: names its input and output, and the activation to apply to the output.
        policy: mean and standard deviation to normalise by.
        shape: of the planes.
        maps: give the maps instead of their means.
    Returns:
        a graph from PLANES and CONVERSION to SCALARS or MAPS, of fixed shapes.
    """
    from onnx import ModelProto, helper

    fused = ModelProto()
    fused.CopyFrom(model)
    graph = fused.graph
    del graph.value_info[:]
    front, tail = _Nodes("front", _opset(model)), _Nodes("tail", _opset(model))
    _add_front(front, policy, shape, sidecar.input_name)
    saliency = _add_crop(tail, sidecar, shape)
    if maps:
        tail.add("Reshape", saliency, tail.integers(*shape.outputs[MAPS][1]), output=MAPS)
    else:
        _add_scalars(tail, saliency)
    network = list(graph.node)
    weights = {tensor.name for tensor in graph.initializer}
    # Old exporters list the weights among the inputs.
    kept = [value for value in graph.input if value.name in weights]
    del graph.node[:], graph.input[:], graph.output[:]
    graph.node.extend([*front.nodes, *network, *tail.nodes])
    graph.initializer.extend([*front.constants, *tail.constants])
    for name, (dtype, dims) in shape.inputs.items():
        kind = helper.np_dtype_to_tensor_dtype(dtype)
        graph.input.append(helper.make_tensor_value_info(name, kind, dims))
    graph.input.extend(kept)
    output = MAPS if maps else SCALARS
    dtype, dims = shape.outputs[output]
    kind = helper.np_dtype_to_tensor_dtype(dtype)
    graph.output.append(helper.make_tensor_value_info(output, kind, dims))
    return fused


class _Nodes:
    """Nodes and constants that are added to a graph, with a prefix in their names."""

    def __init__(self, prefix: str, opset: int) -> None:
        self.prefix = f"vmafsal/{prefix}"
        self.opset = opset
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def constant(self, value: Any, dtype: Any = np.float32) -> str:
        """A constant tensor; its name."""
        from onnx import numpy_helper

        name = f"{self.prefix}_constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value, dtype), name))
        return name

    def integers(self, *values: int) -> str:
        """A constant list of int64, for shapes and axes; its name."""
        return self.constant(values, np.int64)

    def add(self, kind: str, *inputs: str, output: str = "", **attributes: Any) -> str:
        """A node; the name of its output."""
        from onnx import helper

        name = output or f"{self.prefix}_{kind}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def crop(self, tensor: str, height: int, width: int) -> str:
        """The top left corner of [N, C, H, W]."""
        ends = self.integers(height, width)
        return self.add("Slice", tensor, self.integers(0, 0), ends, self.integers(2, 3))

    def reduce(self, kind: str, tensor: str) -> str:
        """[N, 1, H, W] to [N, 1]."""
        if self.opset >= _AXES_ARE_INPUTS:
            return self.add(kind, tensor, self.integers(2, 3), keepdims=0)
        return self.add(kind, tensor, axes=[2, 3], keepdims=0)


def _add_front(nodes: _Nodes, policy: InputPolicy, shape: PlaneShape, output: str) -> None:
    """From planes to the network's input: color.frame_to_tensor, operator by operator."""
    samples = [
        _eight_bits(nodes, name, dims, shape.bit_depth)
        for name, (_, dims) in shape.inputs.items()
        if name != CONVERSION
    ]
    if shape.chroma == "rgb":
        rgb = nodes.add("Concat", *samples, axis=1)
    else:
        rgb = _rounded(nodes, _to_rgb(nodes, samples, shape))
    mean = np.array(policy.mean, np.float32)[:, None, None]
    scale = np.float32(1) / np.array(policy.std, np.float32)[:, None, None]
    scaled = nodes.add("Mul", rgb, nodes.constant(np.float32(1) / np.float32(255)))
    centred = nodes.add("Sub", scaled, nodes.constant(mean))
    normalised = nodes.add("Mul", centred, nodes.constant(scale))
    bottom, right = (-side % shape.multiple for side in (shape.height, shape.width))
    pads = nodes.integers(0, 0, 0, 0, 0, 0, bottom, right)
    nodes.add("Pad", normalised, pads, mode="edge", output=output)


def _eight_bits(nodes: _Nodes, name: str, dims: tuple[int, ...], bit_depth: int) -> str:
    """color.to_eight_bits as float32 [N, 1, h, w]: 16-bit whole numbers are exact in it."""
    from onnx import TensorProto

    frames, rows, columns = dims
    picture = nodes.add("Reshape", name, nodes.integers(frames, 1, rows, columns))
    samples = nodes.add("Cast", picture, to=TensorProto.FLOAT)
    if bit_depth == 8:
        return samples
    step = 1 << (bit_depth - 8)
    raised = nodes.add("Add", samples, nodes.constant(step // 2))
    rounded = nodes.add("Floor", nodes.add("Mul", raised, nodes.constant(1 / step)))
    return nodes.add("Min", rounded, nodes.constant(255))


def _to_rgb(nodes: _Nodes, samples: list[str], shape: PlaneShape) -> str:
    """[N, 3, H, W], unclamped, 1 being white."""
    black, luma_scale, chroma_scale, *factors = (
        nodes.add("Gather", CONVERSION, nodes.integers(place), axis=1) for place in range(7)
    )
    luma = nodes.add("Mul", nodes.add("Sub", samples[0], black), luma_scale)
    if shape.chroma == "400":
        return nodes.add("Concat", luma, luma, luma, axis=1)
    grey = nodes.constant(128)
    u, v = (nodes.add("Mul", nodes.add("Sub", plane, grey), chroma_scale) for plane in samples[1:])
    red_v, green_u, green_v, blue_u = (
        _spread(nodes, nodes.add("Mul", factor, plane), shape)
        for factor, plane in zip(factors, (v, u, v, u), strict=True)
    )
    return nodes.add(
        "Concat",
        nodes.add("Add", luma, red_v),
        nodes.add("Sub", nodes.add("Sub", luma, green_u), green_v),
        nodes.add("Add", luma, blue_u),
        axis=1,
    )


def _spread(nodes: _Nodes, chroma: str, shape: PlaneShape) -> str:
    """Chroma samples replicated over the pixels that share them."""
    down, right = CHROMA_SHIFT[shape.chroma]
    if not right:
        return chroma
    scales = nodes.constant((1, 1, 1 << down, 1 << right))
    spread = nodes.add(
        "Resize",
        chroma,
        nodes.constant(()),  # region of interest: opset 11 requires this input, which is not used
        scales,
        mode="nearest",
        coordinate_transformation_mode="asymmetric",
        nearest_mode="floor",
    )
    return nodes.crop(spread, shape.height, shape.width)


def _rounded(nodes: _Nodes, rgb: str) -> str:
    """Clamped and rounded to 8 bits."""
    raised = nodes.add("Add", nodes.add("Mul", rgb, nodes.constant(255)), nodes.constant(0.5))
    clamped = nodes.add("Min", nodes.add("Max", raised, nodes.constant(0.5)), nodes.constant(255.5))
    return nodes.add("Floor", clamped)


def _add_crop(nodes: _Nodes, sidecar: Sidecar, shape: PlaneShape) -> str:
    """The network's maps, activated and cropped to the pictures: float32 [N, 1, H, W]."""
    sides = (-(-side // shape.multiple) * shape.multiple for side in (shape.height, shape.width))
    # A map of any other size fails here rather than being cropped.
    whole = nodes.integers(shape.frames, 1, *sides)
    saliency = nodes.add("Reshape", sidecar.output_name, whole)
    if sidecar.activation == "sigmoid":
        saliency = nodes.add("Sigmoid", saliency)
    return nodes.crop(saliency, shape.height, shape.width)


def _add_scalars(nodes: _Nodes, saliency: str) -> None:
    """Mean, least and greatest value of each map."""
    from onnx import TensorProto

    mean = nodes.reduce("ReduceMean", nodes.add("Cast", saliency, to=TensorProto.DOUBLE))
    bounds = nodes.add(
        "Concat",
        nodes.reduce("ReduceMin", saliency),
        nodes.reduce("ReduceMax", saliency),
        axis=1,
    )
    bounds = nodes.add("Cast", bounds, to=TensorProto.DOUBLE)
    nodes.add("Concat", mean, bounds, axis=1, output=SCALARS)


def _opset(model: ModelProto) -> int:
    return max(int(item.version) for item in model.opset_import if item.domain in ("", "ai.onnx"))
