"""A small network for the devices."""

from __future__ import annotations

from pathlib import Path

from workbench.measure.network import Network


def small_network(path: Path, side: int, depth: int = 3) -> Network:
    """Convolutions of 3 × 3, 16 channels, on ``side`` × ``side``."""
    import numpy as np
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    rng = np.random.default_rng(0)
    nodes, weights = [], []
    for i in range(depth):
        channels = 3 if i == 0 else 16
        kernel = (rng.standard_normal((16, channels, 3, 3)) / 12).astype(np.float32)
        weights.append(numpy_helper.from_array(kernel, f"body.{i}.conv.weight"))
        source = "x" if i == 0 else f"body.{i - 1}.act/Relu:0"
        conv, last = f"body.{i}.conv/Conv:0", "y" if i == depth - 1 else f"body.{i}.act/Relu:0"
        nodes.append(
            helper.make_node("Conv", [source, weights[-1].name], [conv], name=f"body.{i}.conv/Conv", pads=[1] * 4)
        )
        nodes.append(helper.make_node("Relu", [conv], [last], name=f"body.{i}.act/Relu"))
    values = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, side, side])]
    results = [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 16, side, side])]
    graph = helper.make_graph(nodes, "net", values, results, weights)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), path)
    feed = {"x": rng.standard_normal((1, 3, side, side)).astype(np.float32)}
    return Network("small", "model", "fp32", feed, path)
