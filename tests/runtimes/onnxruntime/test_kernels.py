"""Kernels find their nodes when names don't tell them apart."""

from __future__ import annotations

import onnx

from workbench.graphs.layer_names import nodes_of
from workbench.runtimes.onnxruntime.attribution import match_kernels
from workbench.runtimes.onnxruntime.trace import Kernel


def kernel(name, op, index=0, outer=None):
    return Kernel(name, op, index, 0, 1, 1, 0, (), outer=outer)


MODEL = """<ir_version: 8, opset_import: ["" : 17]>
g (float[4] x, bool c, int64 n) => (float[4] y) {
  a = Relu(x)
  [same] b = Abs(a)
  [same] d = Abs(b)
  e = If (c) <
    then_branch = t () => (float[4] p) { p = Neg(d) },
    else_branch = f () => (float[4] q) { [no] r = Exp(d) q = Neg(r) }
  >
  y = Loop (n, c, e) <
    body = l (int64 i, bool go, float[4] s) => (bool go2, float[4] u) { go2 = Identity(go) [step] u = Sin(s) }
  >
}"""
NODES = nodes_of(onnx.parser.parse_model(MODEL).graph)
AT = {node.proto.output[0]: i for i, node in enumerate(NODES)}


def test_in_the_order_of_the_graph_names_are_not_needed():
    kernels = [kernel("Relu_0", "Relu"), kernel("same", "Abs", 1), kernel("same", "Abs", 2), kernel("If_3", "If", 3)]
    kernels += [kernel("Neg_0", "Neg", 0, outer=3), kernel("Loop_4", "Loop", 4)]
    found = match_kernels(kernels, NODES)
    assert found == [AT[value] for value in ("a", "b", "d", "e", "p", "y")]


def test_of_branches_and_loops_each_kernel_is_found_inside_its_own():
    kernels = [kernel("Relu_0", "Relu"), kernel("same", "Abs", 1), kernel("same", "Abs", 2), kernel("If_3", "If", 3)]
    kernels += [kernel("no", "Exp", 0, outer=3), kernel("Neg_1", "Neg", 1, outer=3), kernel("Loop_4", "Loop", 4)]
    kernels += [kernel("step", "Sin", 1, outer=6), kernel("step", "Sin", 1, outer=6), kernel("new", "Cast", 2, outer=6)]
    found = match_kernels(kernels, NODES)
    assert found[4] == AT["r"] and found[7:9] == [AT["u"]] * 2
    # A kernel that is in no graph counts as the node that ran it.
    assert found[5] in (AT["p"], AT["q"]) and found[9] == AT["y"]


def test_where_the_order_differs_names_tell():
    found = match_kernels(
        [kernel("same", "Abs", 7), kernel("Relu_0", "Relu"), kernel("other", "Cos"), kernel("same", "Abs")], NODES
    )
    assert found == [AT["b"], AT["a"], None, AT["d"]]
