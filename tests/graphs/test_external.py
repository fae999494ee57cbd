"""Weights beside an ONNX file: shared by copies of the graph, and not kept in memory."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnx import TensorProto, helper

from workbench.graphs.external import save_linked, unmapped
from workbench.runtimes.onnxruntime.session import session

WEIGHT = np.random.default_rng(0).standard_normal((64, 64)).astype(np.float32)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    nodes = [helper.make_node("MatMul", ["x", "w"], ["y"], "layer/MatMul")]
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 64]) for name in "xy")
    graph = helper.make_graph(nodes, "g", [x], [y], [onnx.numpy_helper.from_array(WEIGHT, "w")])
    path = tmp_path / "export" / "model.onnx"
    path.parent.mkdir()
    opset = helper.make_opsetid("", 20)
    made = helper.make_model(graph, ir_version=10, opset_imports=[opset])
    onnx.save(made, path, save_as_external_data=True, location="model.onnx.data", size_threshold=0)
    return path


def _gives_the_product(path: Path) -> bool:
    x = np.linspace(-1, 1, 64, dtype=np.float32)[None]
    return np.allclose(session(path, 1).run(None, {"x": x})[0], x @ WEIGHT, atol=1e-4)


def test_a_linked_copy_runs_shares_its_weights_and_leaves_the_model_readable(model, tmp_path):
    graph = ir.load(model)
    copy, again = tmp_path / "work" / "a.onnx", tmp_path / "work" / "b.onnx"
    save_linked(graph, copy)
    save_linked(graph, copy)
    save_linked(ir.load(copy), again)
    assert _gives_the_product(copy) and _gives_the_product(again)
    assert copy.stat().st_size < 1000
    assert copy.with_name("a.onnx.0.data").samefile(model.with_name("model.onnx.data"))
    assert np.array_equal(unmapped(graph.graph.initializers["w"].const_value), WEIGHT)


def test_without_hard_links_the_weights_are_copied(model, tmp_path, monkeypatch):
    def refused(*_: object) -> None:
        raise OSError("not on this file system")

    monkeypatch.setattr(os, "link", refused)
    save_linked(ir.load(model), tmp_path / "work" / "a.onnx")
    assert _gives_the_product(tmp_path / "work" / "a.onnx")


def test_a_tensor_that_was_read_is_an_array_of_its_own(model):
    tensor = ir.load(model).graph.initializers["w"].const_value
    values = unmapped(tensor)
    values += 1  # a mapped file couldn't be written to
    assert np.array_equal(unmapped(tensor), WEIGHT)
