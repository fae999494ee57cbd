"""Scheme fp16: half-precision weights and activations inside, float32 at the ends."""

from __future__ import annotations

from collections import Counter

import numpy as np
import onnx
import onnx_ir as ir
from onnx import TensorProto, numpy_helper
from onnxruntime.transformers.float16 import convert_float_to_float16

from workbench.compress.quantize.onnx.backend import to_fp16
from workbench.compress.quantize.onnx.quantizer import in_memory
from workbench.graphs.names import layer_of
from workbench.runtimes.onnxruntime.session import session


def test_weights_are_half_ends_are_float_and_exempt_layers_stay(demo_graph, tmp_path):
    source, out = demo_graph("vae_decoder"), tmp_path / "model.onnx"
    to_fp16(source, ["conv_out", "decoder.conv_out"], out)
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
    to_fp16(source, [], out)
    before, after = ({layer_of(n.name) for n in onnx.load(path).graph.node} for path in (source, out))
    assert after <= before
    assert session(out, 1).get_outputs()[0].type == "tensor(float)"


def test_weights_that_are_written_one_by_one_are_those_of_the_librarys_own_conversion(demo_graph, tmp_path):
    source, out, kept = demo_graph("vae_decoder"), tmp_path / "model.onnx", ["conv_in", "decoder.conv_in"]
    to_fp16(source, kept, out)
    model = in_memory(source)
    blocked = [node.name for node in model.graph if layer_of(node.name) in kept]
    whole = convert_float_to_float16(ir.to_proto(model), keep_io_types=True, node_block_list=blocked)
    ours, theirs = ({i.name: numpy_helper.to_array(i) for i in m.graph.initializer} for m in (onnx.load(out), whole))
    assert ours.keys() == theirs.keys()
    assert all(ours[name].dtype == theirs[name].dtype for name in ours)
    assert all(np.array_equal(ours[name], theirs[name]) for name in ours)
    assert Counter(n.op_type for n in onnx.load(out).graph.node) == Counter(n.op_type for n in whole.graph.node)
