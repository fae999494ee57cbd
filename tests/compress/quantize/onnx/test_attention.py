"""Attention's own products in integers: all found, quantized as asked, and what the runtime makes of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from statistics import median

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from workbench.compress.quantize.calibration.observe import Observed
from workbench.compress.quantize.calibration.trajectory import Trajectory
from workbench.compress.quantize.onnx.attention import attention_products, quantize_attention
from workbench.export.onnx import save
from workbench.graphs.names import layer_of
from workbench.measure.sqnr import sqnr_db
from workbench.runtimes.onnxruntime.session import session

BLOCKS = 16
"""Transformer blocks of the demo's U-Net: two attentions each, two products in each."""


@pytest.fixture(scope="module")
def drawn(demo_graph, demo, tmp_path_factory) -> tuple[dict[str, tuple[float, float]], list[tuple]]:
    """Ranges from one prompt's trajectory, and inputs with outputs of another's."""
    path = demo_graph("unet")
    trajectory = Trajectory(demo, demo_graph("text_encoder"), 3, 3.0)
    names = {name for product in attention_products(ir.load(path)) for name in product.tensors}
    seen = Observed(ir.load(path), path, names)
    ranges: dict[str, tuple[float, float]] = {}

    def watch(inputs: Mapping[str, np.ndarray], _keep: bool) -> np.ndarray:
        out, tensors = seen.run(inputs)
        for name, value in tensors.items():
            low, high = ranges.get(name, (np.inf, -np.inf))
            ranges[name] = min(low, float(value.min())), max(high, float(value.max()))
        return out

    list(trajectory.walk(["a red circle"], 0, watch))
    plain, passes = session(path), []
    for inputs in trajectory.walk(["two blue squares"], 1, lambda inputs, _: plain.run(None, inputs)[0]):
        passes.append((inputs, plain.run(None, inputs)[0]))
    return ranges, passes


class Quantized:
    """The demo's U-Net with its attention in ``bits``, the softmax's output in ``softmax_bits``."""

    def __init__(self, source: Path, ranges, bits: int, softmax_bits: int, folder: Path) -> None:
        self.model = ir.load(source)
        self.products = quantize_attention(self.model, ranges, bits, softmax_bits)
        self.path, optimized = folder / "model.onnx", folder / "optimized.onnx"
        save(self.model, self.path)
        self.session = session(self.path, optimized_path=optimized)
        nodes = onnx.load(optimized, load_external_data=False).graph.node
        self.executed = Counter(node.op_type for node in nodes)


@pytest.fixture(scope="module")
def quantized(demo_graph, drawn, tmp_path_factory) -> Callable[[int, int], Quantized]:
    return cache(lambda *bits: Quantized(demo_graph("unet"), drawn[0], *bits, tmp_path_factory.mktemp("quantized")))


def test_every_product_of_every_attention_is_found(demo_graph):
    found = attention_products(ir.load(demo_graph("unet")))
    assert Counter(p.kind for p in found) == {"scores": 2 * BLOCKS, "values": 2 * BLOCKS}
    assert len({p.layer for p in found}) == 2 * BLOCKS
    assert all(p.layer.endswith((".attn1", ".attn2")) for p in found)
    assert not any("Softmax" in name for p in found for name in p.tensors)
    # the text encoder has a mask before its softmax and a guard against masked rows after it
    found = attention_products(ir.load(demo_graph("text_encoder")))
    assert [(p.layer, p.kind) for p in found] == [
        (f"encoder.layers.{i}.self_attn", kind) for i in range(3) for kind in ("scores", "values")
    ]


def test_operands_get_their_range_and_the_softmax_zero_to_one(demo_graph, drawn, quantized):
    made, ranges = quantized(8, 16), drawn[0]
    before = {node.name for node in ir.load(demo_graph("unet")).graph}
    onnx.checker.check_model(made.path)
    names = [node.name for node in made.model.graph]
    assert made.products == 4 * BLOCKS
    assert len(set(names)) == len(names) == len(before) + 4 * made.products and before <= set(names)
    assert {layer_of(name) for name in names} == {layer_of(name) for name in before}
    nodes = {node.name: node for node in made.model.graph}
    found = attention_products(made.model)
    assert len(found) == made.products
    for product in found:
        for index, value in enumerate(nodes[product.node].inputs):
            back = value.producer()
            to = back.inputs[0].producer()
            assert (back.op_type, to.op_type) == ("DequantizeLinear", "QuantizeLinear")
            scale, zero = (v.const_value.numpy() for v in to.inputs[1:])
            if product.kind == "values" and index == 0:
                assert zero == 0 and zero.dtype == np.uint16 and scale == np.float32(1 / 65535)
            else:
                low, high = ranges[to.inputs[0].name]
                assert zero.dtype == np.uint8 and scale == pytest.approx((max(high, 0) - min(low, 0)) / 255)


def test_a_softmax_at_16_bits_is_closer_to_the_float_model_than_at_8(drawn, quantized):
    found = {
        bits: median(sqnr_db(want, quantized(8, bits).session.run(None, inputs)[0]) for inputs, want in drawn[1])
        for bits in (8, 16)
    }
    assert found[8] > 20
    assert found[16] > found[8] + 10  # 50 against 30 dB on four steps


def test_onnx_runtime_multiplies_integers_only_where_both_operands_have_8_bits(quantized):
    integer = {bits: quantized(*bits).executed["MatMulIntegerToFloat"] for bits in ((8, 8), (8, 16), (16, 16))}
    assert integer == {(8, 8): 4 * BLOCKS, (8, 16): 2 * BLOCKS, (16, 16): 0}
