"""Tensors from inside a network: in the order of its nodes, seen behind their quantizing, and equal when shown."""

from __future__ import annotations

import numpy as np
import onnx

from workbench.measure.network import network_of
from workbench.npu.taps import last_of_each_layer, taps, write_tapped
from workbench.runtimes.onnxruntime.session import session

QUANTIZED = """g (float[4, 8] x) => (float[4, 8] o) {
    q = QuantizeLinear(x, s, z) d = DequantizeLinear(q, s, z) r = Relu(d)
    p = QuantizeLinear(r, s, z) e = DequantizeLinear(p, s, z) n = Neg(e) o = Sigmoid(n) }"""
NAMES = ["a/Q", "a/DQ", "a/Relu", "b/Q", "b/DQ", "b/Neg", "c/Sigmoid"]


def test_what_is_quantized_is_seen_as_it_is_dequantized_again_and_belongs_to_what_computed_it(parsed):
    weights = {"s": np.array(0.1, np.float32), "z": np.array(0, np.uint8)}
    found = taps(parsed(QUANTIZED, NAMES, weights))
    assert [(tap.node, tap.layer, tap.value) for tap in found] == [("a/Relu", "a", "e"), ("b/Neg", "b", "n")]
    assert (found[0].before, found[1].before, found[1].shape) == ((), ("Relu of a",), (4, 8))


def test_every_layer_of_a_unet_is_seen_once_in_the_order_of_its_nodes(tiny, exports):
    network = network_of(tiny, "unet", exports["unet"][0], 0)
    every = taps(network)
    last = last_of_each_layer(every)
    assert len({tap.layer for tap in last}) == len(last) == len({tap.layer for tap in every})
    nodes = [node.name for node in onnx.load(network.path).graph.node]
    assert [nodes.index(tap.node) for tap in every] == sorted(nodes.index(tap.node) for tap in every)
    assert {"conv_in", "down_blocks.0.resnets.0.norm1"} <= {tap.layer for tap in last}


def test_showing_tensors_changes_nothing_of_the_output(tiny, exports, tmp_path):
    network = network_of(tiny, "unet", exports["unet"][0], 0)
    shown = last_of_each_layer(taps(network))
    write_tapped(network, [tap.value for tap in shown], tmp_path / "tapped.onnx")
    before = session(network.path, 1, optimization="none").run(None, dict(network.feed))
    outputs = session(tmp_path / "tapped.onnx", 1, optimization="none").run(None, dict(network.feed))
    np.testing.assert_array_equal(outputs[0], before[0])
    assert [value.shape for value in outputs[1:]] == [tap.shape for tap in shown]
