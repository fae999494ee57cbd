"""Scheme fp16: half-precision weights and activations inside, float32 at the ends."""

from __future__ import annotations

import onnx
from onnx import TensorProto

from workbench.compress.quantize.onnx.backend import to_fp16
from workbench.compress.quantize.onnx.quantizer import in_memory
from workbench.graphs.names import layer_of
from workbench.runtimes.onnxruntime.session import session


def test_weights_are_half_ends_are_float_and_exempt_layers_stay(demo_graph, tmp_path):
    source, out = demo_graph("vae_decoder"), tmp_path / "model.onnx"
    to_fp16(in_memory(source), ["conv_out", "decoder.conv_out"], out)
    graph = onnx.load(out).graph
    kinds = {i.name: i.data_type for i in graph.initializer}
    weights = {n.name: kinds[n.input[1]] for n in graph.node if n.op_type == "Conv" and n.input[1] in kinds}
    kept = {name for name, kind in weights.items() if kind == TensorProto.FLOAT}
    assert {layer_of(name) for name in kept} <= {"conv_out", "decoder.conv_out"}
    assert sum(kind == TensorProto.FLOAT16 for kind in weights.values()) > 5
    assert {v.type.tensor_type.elem_type for v in (*graph.input, *graph.output)} == {TensorProto.FLOAT}
    assert out.stat().st_size < 0.6 * source.stat().st_size


def test_every_node_has_a_layer_of_the_graph_that_it_came_from(demo_graph, tmp_path):
    source, out = demo_graph("text_encoder"), tmp_path / "model.onnx"
    to_fp16(in_memory(source), [], out)
    before, after = ({layer_of(n.name) for n in onnx.load(path).graph.node} for path in (source, out))
    assert after <= before
    assert session(out, 1).get_outputs()[0].type == "tensor(float)"
