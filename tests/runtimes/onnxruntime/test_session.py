"""How sessions are set: 8-bit products must not overflow where they could, nor be slowed where they can't."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from tests.fixtures.wild_onnx import CASES
from workbench.errors import RunError
from workbench.runtimes.onnxruntime.session import machine_config, session, session_config

OVERFLOWS = "session.x64quantprecision"


@pytest.mark.parametrize(("flags", "asked"), [(("avx2",), True), (("avx2", "avx512_vnni"), False), (("asimd",), False)])
def test_weights_are_taken_as_uint8_only_where_products_of_int8_overflow(flags, asked):
    assert (OVERFLOWS in machine_config(flags)) is asked


def test_a_file_of_float_products_asks_for_more_than_the_machine(tmp_path):
    graph = """<ir_version: 8, opset_import: ["" : 17]> g (float[1,4] x) => (float[1,4] y)
    <float s = {0.1}, uint8 z = {128}> {q = QuantizeLinear(x, s, z) d = DequantizeLinear(q, s, z) y = MatMul(d, w)}"""
    model = onnx.parser.parse_model(graph)
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.eye(4, dtype=np.float32), "w"))
    onnx.save(model, tmp_path / "model.onnx")
    assert session_config(tmp_path / "model.onnx") == {**machine_config(), "session.disable_quant_qdq": "1"}


@pytest.mark.parametrize("name", ["qoperator_mlp", "fused_products"])
def test_a_file_that_can_not_take_its_weights_as_uint8_loads_without(tmp_path, monkeypatch, name):
    """They share int8 weights or zero points between integer products, or multiply int8 by int8."""
    monkeypatch.setattr("workbench.runtimes.onnxruntime.session.int8_overflows", lambda _flags: True)
    assert session(CASES[name].write(tmp_path, name), 1).get_outputs()


def test_a_pass_that_fails_says_in_which_node_and_why(tmp_path):
    run = session(CASES["an_index_beyond_a_table"].write(tmp_path, "table"), 1)
    with pytest.raises(RunError, match=r"table\.onnx: .*node 'y' \(Gather\): indices element out of data bounds"):
        run.run(None, {"i": np.arange(4)})
