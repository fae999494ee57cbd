"""Whether integers were really multiplied: decided by the scheme and the runtimes' kernels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from workbench.measure.counts import Count
from workbench.measure.network import Network
from workbench.measure.simulated import in_float, simulated
from workbench.runtimes.base import runtime


def convolution(path: Path, activation_bits: int | None) -> Path:
    """Two convolutions of 8-bit weights; their inputs are quantized to so many bits, or not at all."""
    weight = np.random.default_rng(0).integers(-127, 128, (16, 16, 3, 3)).astype(np.int8)
    constants = {"scale": np.float32(0.001), "step": np.float32(2.0 ** -((activation_bits or 8) - 3))}
    nodes, x = [], "x"
    for i in range(2):
        constants[f"w{i}"] = weight
        nodes.append(helper.make_node("DequantizeLinear", [f"w{i}", "scale"], [f"wf{i}"], name=f"conv{i}/weight"))
        if activation_bits:
            constants["zero"] = np.array(2 ** (activation_bits - 1), np.uint8 if activation_bits == 8 else np.uint16)
            nodes.append(helper.make_node("QuantizeLinear", [x, "step", "zero"], [f"q{i}"], name=f"conv{i}/quantize"))
            nodes.append(
                helper.make_node("DequantizeLinear", [f"q{i}", "step", "zero"], [f"d{i}"], name=f"conv{i}/back")
            )
            x = f"d{i}"
        nodes.append(helper.make_node("Conv", [x, f"wf{i}"], [f"y{i}"], name=f"conv{i}/Conv", pads=[1, 1, 1, 1]))
        x = f"y{i}"
    if activation_bits:
        nodes.append(helper.make_node("QuantizeLinear", [x, "step", "zero"], ["q2"], name="conv1/quantize_out"))
        nodes.append(helper.make_node("DequantizeLinear", ["q2", "step", "zero"], ["y"], name="conv1/back_out"))
    else:
        nodes[-1].output[0] = "y"
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 16, 16, 16]) for name in ("x", "y")]
    held = [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "two", values[:1], values[1:], held)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10), path)
    return path


@pytest.mark.parametrize("name", ["onnxruntime", "openvino"])
@pytest.mark.parametrize(
    ("scheme", "activation_bits", "expected"), [("w8a8", 8, False), ("w8a16", 16, True), ("w4a16", None, False)]
)
def test_eight_bits_run_on_both_runtimes_sixteen_on_none_and_weights_alone_ask_for_nothing(
    tmp_path, name, scheme, activation_bits, expected
):
    file = convolution(tmp_path / "m.onnx", activation_bits)
    feed = {"x": np.zeros((1, 16, 16, 16), np.float32)}
    integer = runtime(name).layers(Network("m", "model", scheme, feed, file), Count((), {}), 1, 1, 3).integer
    assert simulated(scheme, integer.layers, integer.stored) is expected
    warning = in_float(scheme, integer.layers, integer.stored)
    # Neither has kernels of 16-bit integers: they are dropped while the file is loaded.
    told = "w8a16 asks for products of integers, but the runtime computes 100% of the MACs in float"
    assert warning == (told if expected else None)


@pytest.mark.parametrize(
    ("scheme", "integer", "stored", "expected"),
    [
        ("w8a8", 0.97, 0.97, False),
        ("w8a8", 0.30, 0.97, True),
        ("w8a8", 0.30, 0.40, False),  # most layers are exempt, but those that aren't run in integers
        ("w4a8", 0.0, 0.0, True),  # the runtime dropped what it can't do
        ("w8a16", 0.06, 0.06, True),  # a few products that the runtime rounds by itself
        ("fp16", 0.0, 0.0, False),
        ("int8", 0.1, 0.9, True),  # somebody else's file
        ("int8", 0.9, 0.9, False),
        ("fp32", 0.0, 0.0, False),
    ],
)
def test_half_of_what_is_quantized_decides(scheme, integer, stored, expected):
    assert simulated(scheme, integer, stored) is expected
