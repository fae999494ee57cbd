"""Executed nodes find back to the exported ones that they compute: by the values between them, not by names alone."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from torch import nn

from workbench.graphs.macs import count_graph
from workbench.graphs.read import read_model
from workbench.runtimes.onnxruntime.attribution import attribute
from workbench.runtimes.onnxruntime.session import session

PRODUCTS = ("Conv", "MatMul", "Gemm", "FusedConv", "FusedMatMul", "FusedGemm", "QLinear", "QGemm", "Attention")


def executed_graph(path, folder):
    session(path, 1, optimized_path=folder / "executed.onnx")
    return read_model(folder / "executed.onnx").graph


def attributed(path, folder):
    """Counted file, and by operator and layer what each executed node covers: labels of exported nodes."""
    counted = count_graph(path)
    found = attribute(counted.names, executed_graph(path, folder), counted.macs)
    nodes = counted.names.nodes
    covers = [sorted(nodes[i].label for i in cover) for cover in found.covers]
    return counted, found, covers


def saved(text, folder, **names):
    """A model from its text; ``names`` gives output value to node name, where a name isn't one of that language.

    Values of that text that nothing makes become weights.
    """
    model, rng = onnx.parser.parse_model(text), np.random.default_rng(0)
    for value in model.graph.value_info:
        sides = [side.dim_value for side in value.type.tensor_type.shape.dim]
        model.graph.initializer.append(numpy_helper.from_array(rng.standard_normal(sides).astype("f"), value.name))
    del model.graph.value_info[:]
    for node in model.graph.node:
        node.name = names.get(node.output[0], node.name)
    onnx.save(model, folder / "model.onnx")
    return folder / "model.onnx"


def test_every_product_of_the_exported_graph_is_computed_once(exports, quantized_unet, tmp_path):
    """Coverage alone would be met by a map that puts everything somewhere: here each product is at its own place."""
    for name, path in {**{name: path for name, (path, _) in exports.items()}, "int8": quantized_unet}.items():
        counted, found, covers = attributed(path, tmp_path)
        places = zip(found.nodes, found.places, covers, strict=True)
        multiplying = [(p, c) for n, p, c in places if n.proto.op_type.startswith(PRODUCTS)]
        multiplying = [(p, c) for p, c in multiplying if p.origin in counted.products]
        assert sorted(p.origin for p, _ in multiplying) == sorted(counted.products), name
        assert all(p.origin in cover for p, cover in multiplying), name


def test_inserted_nodes_belong_to_the_value_they_carry(exported, tmp_path):
    counted, found, _ = attributed(exported["vae_decoder"], tmp_path)
    producer = {value: i for i, node in enumerate(found.nodes) for value in node.proto.output}
    kinds = set()
    for i, node in enumerate(found.nodes):
        if node.proto.op_type in ("ReorderInput", "ReorderOutput") and node.proto.input[0] in producer:
            kinds.add(node.proto.op_type)
            assert found.covers[i] == () and found.places[i].origin is None
            # ReorderOutput writes a value of the exported graph: the layer that made it there. What ReorderInput
            # writes has no name, but what it reads has one, or its maker has.
            made = counted.names.producer.get(node.proto.output[0], counted.names.producer.get(node.proto.input[0]))
            layer = (
                counted.names.layer_of[made] if made is not None else found.places[producer[node.proto.input[0]]].layer
            )
            assert found.places[i].layer == layer
    assert kinds == {"ReorderInput", "ReorderOutput"}


FUSIONS = """<ir_version: 8, opset_import: ["" : 17]>
g (float[1, 8, 16] x, float[1, 8, 16] r) => (float[1, 8, 16] y)
<float[16, 16] w, float[16] b, float half = {0.5}, float two = {2.0}, float one = {1.0}, float root = {1.4142135},
 float[16] gamma, float[16] beta>
{
  p = MatMul(x, w)
  biased = Add(p, b)
  d = Div(biased, root)
  e = Erf(d)
  f = Add(e, one)
  g1 = Mul(biased, f)
  active = Mul(g1, half)
  s = Add(active, r)
  normed = LayerNormalization <axis = -1> (s, gamma, beta)
  t = Transpose <perm = [0, 2, 1]> (normed)
  scaled = Mul(t, two)
  scores = MatMul(normed, scaled)
  y = MatMul(scores, normed)
}"""
NAMES = {
    "p": "up.proj/MatMul", "biased": "up.proj/Add", "d": "up.act/Div", "e": "up.act/Erf", "f": "up.act/Add",
    "g1": "up.act/Mul#1", "active": "up.act/Mul#2", "s": "up/Add", "normed": "up.norm/LayerNormalization",
    "t": "attn/Transpose", "scaled": "attn.scale/Mul", "scores": "attn.scores/MatMul", "y": "attn/MatMul",
}  # fmt: skip


@pytest.mark.parametrize("named", [True, False], ids=["named", "without names"])
def test_a_fused_node_covers_what_lies_between_its_inputs_and_outputs(named, tmp_path):
    counted, found, covers = attributed(saved(FUSIONS, tmp_path, **(NAMES if named else {})), tmp_path)
    own = NAMES if named else {n.proto.output[0]: n.label for n in counted.names.nodes}
    by_op = {}
    for node, cover, place in zip(found.nodes, covers, found.places, strict=True):
        by_op.setdefault(node.proto.op_type, []).append((cover, place.layer))
    layer = dict(zip(own.values(), counted.names.layer_of, strict=True))

    def expected(*values, at):
        return (sorted(own[value] for value in values), layer[own[at]])

    assert by_op["SkipLayerNormalization"] == [expected("s", "normed", at="normed")]
    assert by_op["Gelu"] == [expected("d", "e", "f", "g1", "active", at="e")]
    # The bias goes to its product, the scale and the transposition into theirs: time goes to what does the work.
    assert by_op["Gemm"] == [expected("p", "biased", at="p")]
    assert by_op["FusedMatMul"] == [expected("t", "scaled", "scores", at="scores")]
    assert by_op["MatMul"] == [expected("y", at="y")]


def test_a_convolution_that_takes_in_a_sum_and_an_activation_keeps_both_convolutions_apart(tmp_path):
    """Between convolutions the runtime keeps its own layout, where no value has an exported name."""

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second = nn.Conv2d(16, 32, 3, padding=1), nn.Conv2d(32, 32, 3, padding=1)
            self.shortcut, self.last = nn.Conv2d(16, 32, 1), nn.Conv2d(32, 32, 3, padding=1)

        def forward(self, x):
            return self.last((self.second(self.first(x).relu()) + self.shortcut(x)).relu())

    path = tmp_path / "model.onnx"
    torch.onnx.export(Block().eval(), (torch.zeros(1, 16, 8, 8),), path, dynamo=False, opset_version=17)
    _counted, found, covers = attributed(path, tmp_path)
    convolutions = {
        p.layer: c for n, p, c in zip(found.nodes, found.places, covers, strict=True) if n.proto.op_type == "Conv"
    }
    assert convolutions.keys() == {"first", "second", "shortcut", "last"}
    assert convolutions["first"] == ["/Relu", "/first/Conv"]
    both = sorted([*convolutions["second"], *convolutions["shortcut"]])
    assert both == ["/Add", "/Relu_1", "/second/Conv", "/shortcut/Conv"]
    assert convolutions["last"] == ["/last/Conv"]


def test_what_the_runtime_takes_apart_belongs_to_the_whole(tmp_path):
    """An operator without a kernel is run as the function that defines it; nothing inside has an exported name."""
    path = saved(
        """<ir_version: 8, opset_import: ["" : 18]>
        g (float[1, 8, 4, 4] x) => (float[1, 8, 4, 4] y) <float[2] scale, float[2] shift> {
          a = Neg(x)
          b = GroupNormalization <num_groups = 2> (a, scale, shift)
          c = Mish(b)
          y = Abs(c)
        }""",
        tmp_path,
        a="before/Neg", b="norm/GroupNormalization", c="act/Mish", y="after/Abs",
    )  # fmt: skip
    _counted, found, _ = attributed(path, tmp_path)
    layers = {}
    for node, place in zip(found.nodes, found.places, strict=True):
        layers.setdefault(place.layer, set()).add(node.proto.op_type)
    assert layers["before"] == {"Neg"} and layers["after"] == {"Abs"}
    assert len(layers["norm"]) > 3 and layers.keys() == {"before", "norm", "act", "after"}


def test_nodes_inside_a_branch_have_their_own_layer_or_that_of_the_branch(tmp_path):
    path = saved(
        """<ir_version: 8, opset_import: ["" : 17]>
        g (bool flag, float[8, 8] x) => (float[8, 8] y) {
          y = If (flag) <
            then_branch = yes () => (float[8, 8] p) { [yes_product] m = MatMul(x, x) [yes_relu] p = Relu(m) },
            else_branch = no () => (float[8, 8] q) { q = Neg(x) }
          >
        }""",
        tmp_path,
    )
    counted, found, _ = attributed(path, tmp_path)
    layers = {node.proto.op_type: place.layer for node, place in zip(found.nodes, found.places, strict=True)}
    assert layers == {"If": "If(y)", "MatMul": "yes_product", "Relu": "yes_relu", "Neg": "Neg(q)"}
    assert counted.count.uncounted == {} and counted.count.macs_with_attention == 8**3
