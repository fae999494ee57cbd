"""The layer of each node of files from any exporter: by metadata, by names, by weights, else the node itself."""

from __future__ import annotations

import onnx
import pytest
from onnx import helper

from workbench.graphs.layer_names import Names, nodes_of


def names_of(*nodes, results=(), weights=()):
    """Names of a graph of ``nodes`` (operator, inputs, outputs, name, metadata)."""
    made = []
    for kind, inputs, outputs, name, *metadata in nodes:
        made.append(helper.make_node(kind, inputs.split(), outputs.split(), name=name))
        for key, value in (metadata[0] if metadata else {}).items():
            made[-1].metadata_props.add(key=key, value=value)
    tensors = [helper.make_tensor(name, onnx.TensorProto.FLOAT, [1], [0]) for name in weights]
    return Names(helper.make_graph(made, "g", [], [helper.make_empty_tensor_value_info(r) for r in results], tensors))


@pytest.mark.parametrize(
    ("name", "layer"),
    [
        ("down.0.conv/Conv#3", "down.0.conv"),
        ("(root)/Add", "(root)"),
        ("/Add_1", "(root)"),
        ("/unet/down_blocks.0/resnets.0/conv1/Conv", "unet.down_blocks.0.resnets.0.conv1"),
        ("/net/layers.0/layers.0.1/Conv", "net.layers.0.1"),
        ("/net/layers.0/layers.0.1/layers.0.1.2/Conv", "net.layers.0.1.2"),
        ("model/dense_1/MatMul;model/dense_1/BiasAdd", "model.dense_1.MatMul;model.dense_1"),
        ("StatefulPartitionedCall/model/conv/Conv2D", "StatefulPartitionedCall.model.conv"),
    ],
)
def test_a_hierarchy_of_names_is_the_tree_of_modules(name, layer):
    assert names_of(("Conv", "x", "y", name), ("Relu", "y", "z", "act/Relu")).layer_of == [layer, "act"]


@pytest.mark.parametrize(
    ("metadata", "layer"),
    [
        ({"pkg.torch.onnx.name_scopes": "['', 'layers.0', 'layers.0.1', 'conv2d']"}, "layers.0.1"),
        ({"pkg.torch.onnx.name_scopes": "['', 'add']"}, "(root)"),
        ({"namespace": ": __main__.B/up: torch.nn.Sequential/up.0: torch.nn.Conv2d/conv2d: aten.conv2d"}, "up.0"),
        ({"pkg.torch.onnx.name_scopes": "__import__('os')", "namespace": ": M/fc: L/linear: aten.linear"}, "fc"),
        ({"pkg.torch.onnx.name_scopes": "7"}, "head"),
    ],
)
def test_pytorchs_metadata_come_first(metadata, layer):
    other = {"pkg.torch.onnx.name_scopes": "['', 'head', 'relu']"}
    found = names_of(("Conv", "x", "y", "n1", metadata), ("Relu", "y", "z", "n2", other))
    # What tells nothing leaves a node to its neighbours, in a graph that tells of half its nodes.
    assert found.layer_of == [layer, "head"]


def test_a_flat_program_is_distinguished_by_its_weights():
    root = {"pkg.torch.onnx.name_scopes": "['', 'conv2d']"}
    nodes = [
        ("Conv", "x encoder.0.weight encoder.0.bias", "a", "n1", root),
        ("Relu", "a", "b", "n2", root),
        ("Conv", "b conv2d_7.w_0", "c", "n3", root),
        ("MatMul", "c onnx::MatMul_12", "y", "", root),
    ]
    weights = ["encoder.0.weight", "encoder.0.bias", "conv2d_7.w_0", "onnx::MatMul_12"]
    assert names_of(*nodes, weights=weights).layer_of == ["encoder.0", "n2", "conv2d_7", "MatMul(y)"]
    ours = names_of(("Conv", "x encoder.0.weight", "y", "(root)/Conv"), weights=weights)
    assert ours.layer_of == ["(root)"]


def test_a_node_without_a_name_belongs_to_its_neighbours_where_the_others_have_layers():
    found = names_of(
        ("Conv", "x", "a", "/conv/Conv"),
        ("Cast", "a", "b", ""),
        ("Cast", "z", "c", "Cast_7"),
        ("Add", "b c", "y", "/Add"),
    )
    assert found.layer_of == ["conv", "conv", "(root)", "(root)"]


def test_nodes_without_names_and_with_equal_ones_are_distinguished():
    graph = helper.make_graph(
        [
            helper.make_node("Relu", ["x"], ["a"]),
            helper.make_node("Relu", ["a"], ["b"], name="n"),
            helper.make_node("Neg", ["b"], ["c"], name="n"),
            helper.make_node("Neg", ["c"], [], name="sink"),
            helper.make_node("Neg", ["c"], [""]),
            helper.make_node("Neg", ["c"], [""]),
        ],
        "g",
        [],
        [],
    )
    labels = [node.label for node in nodes_of(graph)]
    assert labels == ["Relu(a)", "Relu(b)", "Neg(c)", "sink", "Neg()", "Neg()#1"]
    assert Names(graph).layer_of == labels


def test_a_constant_belongs_to_its_user_and_is_no_layer():
    found = names_of(
        ("Constant", "", "conv.w_0", ""), ("Conv", "x conv.w_0", "a", "p2o.Conv.0"), ("Relu", "a", "y", "p2o.Relu.0")
    )
    assert found.layer_of == ["conv", "conv", "p2o.Relu.0"] and list(found.layers) == ["conv", "p2o.Relu.0"]


def test_a_name_is_not_taken_for_a_longer_or_shorter_one():
    names = names_of(
        ("MatMul", "x w", "a/MatMul#1:0", "a/MatMul#1"),
        ("MatMul", "a/MatMul#1:0 w", "a/MatMul#12:0", "a/MatMul#12"),
        ("Relu", "a/MatMul#12:0", "y", "b.a/Relu"),
        results=["y"],
        weights=["w"],
    )
    assert names.find("a/MatMul#12/MatMulScaleFusion/").origin == "a/MatMul#12"
    assert names.find("a/MatMul#1_token_3").origin == "a/MatMul#1"
    assert names.find("Fused_a/MatMul#1").layer == "a"
    assert names.find("y_nchwc").origin == "b.a/Relu"
    assert names.find("a.weight_DequantizeLinear").layer == "a"
    assert names.find("ReorderInput_token_7").layer is None
    assert names.find("a/Reshape").layer == "a" and names.find("a/Reshape").origin is None


def test_a_fresh_name_of_the_runtime_is_not_taken_for_a_node_of_the_file():
    names = names_of(
        ("Transpose", "x", "t", "Transpose"), ("MatMul", "t conv1.weight", "y", "MatMul_1"), weights=["conv1.weight"]
    )
    assert names.find("Transpose_token_9").layer is None
    assert names.find("Transpose").layer == "Transpose"
    assert names.find("conv1.weight_quantized").layer == "conv1"
    assert names.find("MatMul_1/MatMulAddFusion").layer == "conv1" and names.find("MatMul_12").layer is None


def test_nodes_inside_others_are_found_behind_them():
    model = onnx.parser.parse_model("""<ir_version: 8, opset_import: ["" : 17]>
    g (bool c, float[4] x) => (float[4] y) {
      [one] a = Relu(x)
      [choice] y = If (c) <
        then_branch = t () => (float[4] p) { [two] p = Abs(a) },
        else_branch = e () => (float[4] q) { [three] r = Exp(a) [four] q = Neg(r) }
      >
    }""")
    found = [("one", None), ("choice", None), ("two", 1), ("three", 1), ("four", 1)]
    assert [(n.label, n.outer) for n in nodes_of(model.graph)] == found
    assert Names(model.graph).layer_of == [label for label, _ in found]
