"""Writes the placeholder model: a 1x1 convolution that averages R, G and B, and a sigmoid.

It has learnt nothing. It exists so that pipelines can be tried, and timed, without a real model.

    python model/make_placeholder.py model/tiny/mobilesal.onnx
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

PRODUCER = "vmaf-tiny-mobilesal-placeholder"
GRAPH = "vmaf_tiny_mobilesal_placeholder_v0"


def build_placeholder() -> onnx.ModelProto:
    """The model that the C extractor's tests use too, to the byte.

    Returns:
        input [1, 3, H, W] -> saliency_map [1, 1, H, W], float32, opset 17, IR 8.
    """
    weight = numpy_helper.from_array(np.full((1, 3, 1, 1), 1 / 3, np.float32), "conv_w")
    bias = numpy_helper.from_array(np.zeros(1, np.float32), "conv_b")
    graph = helper.make_graph(
        [
            helper.make_node(
                "Conv",
                ["input", "conv_w", "conv_b"],
                ["conv_out"],
                name="conv0",
                kernel_shape=[1, 1],
            ),
            helper.make_node("Sigmoid", ["conv_out"], ["saliency_map"], name="sigmoid0"),
        ],
        GRAPH,
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 3, "H", "W"])],
        [helper.make_tensor_value_info("saliency_map", TensorProto.FLOAT, [1, 1, "H", "W"])],
        [weight, bias],
    )
    return helper.make_model(
        graph,
        producer_name=PRODUCER,
        producer_version="0",
        ir_version=8,
        opset_imports=[helper.make_opsetid("", 17)],
    )


if __name__ == "__main__":
    Path(sys.argv[1]).write_bytes(build_placeholder().SerializeToString())
