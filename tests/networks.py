"""Small networks that tests build: good ones, third-party shapes, and bad ones."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def save(
    path: Path,
    nodes: Sequence[onnx.NodeProto],
    *,
    weights: dict[str, Any] | None = None,
    inputs: dict[str, list[Any]] | None = None,
    outputs: dict[str, list[Any]] | None = None,
    kind: int = TensorProto.FLOAT,
    opset: int = 17,
    domains: Sequence[str] = (),
    sidecar: dict[str, Any] | None = None,
) -> Path:
    """Write a network, by default `input` [N, 3, H, W] -> `saliency_map` [N, 1, H, W]."""
    inputs = inputs or {"input": ["N", 3, "H", "W"]}
    outputs = outputs or {"saliency_map": ["N", 1, "H", "W"]}
    graph = helper.make_graph(
        list(nodes),
        "test",
        [helper.make_tensor_value_info(name, kind, dims) for name, dims in inputs.items()],
        [helper.make_tensor_value_info(name, kind, dims) for name, dims in outputs.items()],
        [numpy_helper.from_array(np.asarray(w), name) for name, w in (weights or {}).items()],
    )
    imports = [helper.make_opsetid("", opset)]
    imports += [helper.make_opsetid(domain, 1) for domain in domains]
    model = helper.make_model(graph, opset_imports=imports, ir_version=8)
    path.write_bytes(model.SerializeToString())
    if sidecar is not None:
        path.with_suffix(".json").write_text(json.dumps(sidecar))
    return path


def node(kind: str, inputs: Sequence[str], output: str, **attributes: Any) -> onnx.NodeProto:
    return helper.make_node(kind, list(inputs), [output], **attributes)


def convolution(seed: int, channels_out: int, channels_in: int, size: int = 3) -> Any:
    noise = np.random.default_rng(seed)
    return noise.normal(0, 0.5, (channels_out, channels_in, size, size)).astype(np.float32)


def student(path: Path, **options: Any) -> Path:
    """Two halvings and two doublings: a network of stride 4 that looks at neighbours."""
    scales = np.array([1, 1, 2, 2], np.float32)
    nodes = [
        node("Conv", ["input", "a"], "a1", pads=[1] * 4),
        node("Relu", ["a1"], "a2"),
        node("MaxPool", ["a2"], "a3", kernel_shape=[2, 2], strides=[2, 2]),
        node("Conv", ["a3", "b"], "b1", pads=[1] * 4, strides=[2, 2]),
        node("Resize", ["b1", "", "scales"], "b2", mode="linear"),
        node("ConvTranspose", ["b2", "c"], "c1", strides=[2, 2]),
        node("Sigmoid", ["c1"], "saliency_map"),
    ]
    weights = {
        "a": convolution(1, 4, 3),
        "b": convolution(2, 4, 4),
        "c": convolution(3, 4, 1, 2),
        "scales": scales,
    }
    return save(path, nodes, weights=weights, **options)


def u2netp(path: Path, size: int = 320) -> Path:
    """In the shape of an exported U-2-Net: fixed size and batch, other names, seven outputs.

    The last output is a logit that still wants its sigmoid; the sidecar takes the first.
    """
    nodes = [
        node("Conv", ["input.1", "w"], "x", pads=[1] * 4),
        node("Relu", ["x"], "y"),
        node("MaxPool", ["y"], "z", kernel_shape=[2, 2], strides=[2, 2]),
        node("Shape", ["y"], "shape"),
        node("Resize", ["z", "", "", "shape"], "big", mode="linear"),
        node("Conv", ["big", "v"], "side"),
        node("Sigmoid", ["side"], "1959"),
        node("Reshape", ["side", "flat"], "flattened"),
        node("Reshape", ["flattened", "back"], "1960"),
    ]
    weights = {
        "w": convolution(4, 8, 3),
        "v": convolution(5, 1, 8, 1),
        "flat": np.array([1, size * size], np.int64),
        "back": np.array([1, 1, size, size], np.int64),
    }
    return save(
        path,
        nodes,
        weights=weights,
        inputs={"input.1": [1, 3, size, size]},
        outputs={name: [1, 1, size, size] for name in ("1959", "1960")},
        sidecar={
            "id": "u2netp",
            "input": {
                "name": "input.1",
                "size": [size, size],
                "mean": [0.485, 0.456, 0.406],
                "std": [0.229, 0.224, 0.225],
            },
            "output": {"name": "1959"},
        },
    )
