"""An ONNX file is read without its weights: everything else is there, and what is no ONNX file is refused."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from workbench.errors import InputError
from workbench.graphs.read import KEPT, read_model


@pytest.fixture
def file(tmp_path):
    """A graph with weights in an initializer, in a Constant node, inside an If and in a function."""
    rng = np.random.default_rng(0)

    def tensor(name, *shape):
        return numpy_helper.from_array(rng.standard_normal(shape).astype(np.float32), name)

    def constant(name, *shape):
        return helper.make_node("Constant", [], [name], value=tensor("", *shape))

    result = helper.make_tensor_value_info("inner", onnx.TensorProto.FLOAT, [64, 64])
    branch = helper.make_graph([constant("inner", 64, 64)], "branch", [], [result])
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["a"], name="layer/MatMul"),
        constant("c", 64, 64),
        helper.make_node("If", ["flag"], ["d"], then_branch=branch, else_branch=branch),
        helper.make_node("twice", ["a"], ["e"], domain="own"),
        helper.make_node("Sum", ["a", "c", "d", "e"], ["y"]),
    ]
    body = [constant("k", 64, 64), helper.make_node("Mul", ["in", "k"], ["out"])]
    own = helper.make_function("own", "twice", ["in"], ["out"], body, [helper.make_opsetid("", 17)])
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info(*value) for value in (("x", 1, [64, 64]), ("flag", 9, []))],
        [helper.make_tensor_value_info("y", 1, [64, 64])],
        [tensor("w", 64, 64), numpy_helper.from_array(np.arange(4), "small")],
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)]
    path = tmp_path / "model.onnx"
    onnx.save(helper.make_model(graph, functions=[own], opset_imports=opsets), path)
    return path


def tensors(model):
    inner = [a.g for node in model.graph.node for a in node.attribute if a.HasField("g")]
    nodes = [
        *model.graph.node,
        *(n for graph in inner for n in graph.node),
        *(n for f in model.functions for n in f.node),
    ]
    return [*model.graph.initializer, *(a.t for node in nodes for a in node.attribute if a.HasField("t"))]


def test_all_but_large_values_is_as_in_the_file(file):
    whole, light = onnx.load(file), read_model(file)
    pairs = list(zip(tensors(whole), tensors(light), strict=True))
    assert len(pairs) == 6
    for theirs, ours in pairs:
        assert (ours.name, list(ours.dims), ours.data_type) == (theirs.name, list(theirs.dims), theirs.data_type)
        assert ours.raw_data == (theirs.raw_data if len(theirs.raw_data) <= KEPT else b"")
        theirs.ClearField("raw_data"), ours.ClearField("raw_data")
    assert light == whole
    assert len(light.SerializeToString()) < 2000 < KEPT < file.stat().st_size


def test_what_is_no_onnx_file_is_refused_with_its_name(file, tmp_path):
    bad = tmp_path / "bad.onnx"
    whole = file.read_bytes()
    for content in (b"", b"no onnx at all", whole[: len(whole) // 2], b"\x08\x08", whole[:-1]):
        bad.write_bytes(content)
        with pytest.raises(InputError, match=r"bad\.onnx: not an ONNX file"):
            read_model(bad)
    with pytest.raises(InputError, match="no such file"):
        read_model(tmp_path / "none.onnx")
    with pytest.raises(InputError, match="a folder"):
        read_model(tmp_path)
