"""Every form in which weights are stored means the same matrix to the runtime."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnx import TensorProto, helper, numpy_helper

from workbench.compress.quantize.onnx import write_weights
from workbench.compress.quantize.onnx.write_activations import quantize_inputs, raise_opset
from workbench.compress.quantize.weights.grid import Activation, Grid, Rounded
from workbench.compress.quantize.weights.rounding import round_weights
from workbench.export.onnx import save
from workbench.graphs.edit import add_initializer
from workbench.runtimes.onnxruntime.session import session

RNG = np.random.default_rng(0)


def _model(op: str, **attributes: int) -> ir.Model:
    """One layer, named as the exporter names it: 48 inputs (or 6 channels of 3 × 3 kernels), 10 outputs."""
    if op == "Conv":
        weight, shape, out = RNG.standard_normal((10, 16, 3, 3)), [1, 16, 7, 7], [1, 10, 5, 5]
    else:
        weight, shape, out = RNG.standard_normal((48, 10)), [4, 48], [4, 10]
        if attributes.get("transB"):
            weight = weight.T
    names = ["x", "layer.weight"] + (["layer.bias"] if op == "Gemm" else [])
    tensors = [numpy_helper.from_array(weight.astype(np.float32), "layer.weight")]
    if op == "Gemm":
        tensors.append(numpy_helper.from_array(RNG.standard_normal(10).astype(np.float32), "layer.bias"))
    node = helper.make_node(op, names, ["y"], name=f"layer/{op}", **attributes)
    ends = [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in (("x", shape), ("y", out))]
    graph = helper.make_graph([node], "g", [ends[0]], [ends[1]], tensors)
    return ir.from_proto(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10))


def _node(model: ir.Model) -> ir.Node:
    return next(node for node in model.graph if node.name and node.name.startswith("layer/"))


def _run(model: ir.Model, out: Path) -> tuple[np.ndarray, np.ndarray]:
    """Input and output."""
    write_weights.drop_unused(model)
    save(model, out)
    if write_weights.MICROSOFT not in model.opset_imports:  # whose operators the checker doesn't know
        onnx.checker.check_model(onnx.load(out))
    running = session(out, 1)
    x = np.random.default_rng(1).standard_normal(running.get_inputs()[0].shape).astype(np.float32)
    return x, running.run(None, {"x": x})[0]


LAYERS = {
    "conv": ("Conv", {}),
    "matmul": ("MatMul", {}),
    "gemm": ("Gemm", {}),
    "gemm transposed": ("Gemm", {"transB": 1}),
}
FORMS = {"dequantized": write_weights.put_dequantized, "unpacked": write_weights.put_unpacked}
GRIDS = {"group of 16": Grid(4, 16), "per channel": Grid(4), "per tensor": Grid(8, per_tensor=True), "8 bits": Grid(8)}


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("layer", LAYERS)
def test_a_form_gives_what_the_rounded_weights_give(layer, form, grid, tmp_path):
    op, attributes = LAYERS[layer]
    model = _model(op, **attributes)
    plain = ir.from_proto(ir.to_proto(model))
    rounded = round_weights(write_weights.matrix_of(_node(model)), GRIDS[grid], "nearest")
    raise_opset(model)
    FORMS[form](model, _node(model), rounded)
    write_weights.put_float(plain, _node(plain), rounded.weights())
    assert np.allclose(_run(model, tmp_path / "a.onnx")[1], _run(plain, tmp_path / "b.onnx")[1], atol=1e-4)
    assert {node.name.split("/")[0] for node in model.graph} == {"layer"}


@pytest.mark.parametrize("layer", ["matmul", "gemm", "gemm transposed"])
def test_the_packed_product_gives_the_same_and_keeps_the_bias(layer, tmp_path):
    op, attributes = LAYERS[layer]
    model = _model(op, **attributes)
    plain = ir.from_proto(ir.to_proto(model))
    rounded = round_weights(write_weights.matrix_of(_node(model)), Grid(4, 16), "nearest")
    raise_opset(model)
    write_weights.put_packed(model, _node(model), rounded)
    write_weights.put_float(plain, _node(plain), rounded.weights())
    assert any(node.op_type == "MatMulNBits" for node in model.graph)
    assert np.allclose(_run(model, tmp_path / "a.onnx")[1], _run(plain, tmp_path / "b.onnx")[1], atol=1e-4)


def test_four_bits_take_half_a_byte_in_the_file(tmp_path):
    model = _model("Conv")
    raise_opset(model)
    rounded = round_weights(write_weights.matrix_of(_node(model)), Grid(4, 16), "nearest")
    write_weights.put_unpacked(model, _node(model), rounded)
    _run(model, tmp_path / "a.onnx")
    stored = {i.name: i for i in onnx.load(tmp_path / "a.onnx").graph.initializer}["layer/Conv:weight"]
    assert stored.data_type == TensorProto.INT4 and len(stored.raw_data) == 10 * 144 // 2


def test_what_stays_float_is_stored_in_half_unless_it_would_overflow(tmp_path):
    model = _model("MatMul")
    add_initializer(model, "mask", np.full((4, 10), np.finfo(np.float32).min, np.float32))
    mask, last = model.graph.initializers["mask"], _node(model)
    add = ir.node("Add", [last.outputs[0], mask], name="layer/Add")
    model.graph.append(add)
    write_weights.halve_rest(model)
    kinds = {value.name: value.const_value.dtype for value in model.graph.initializers.values() if value.uses()}
    assert kinds == {"layer.weight:half": ir.DataType.FLOAT16, "mask": ir.DataType.FLOAT}


@pytest.mark.parametrize("bits", [8, 16])
def test_activations_are_rounded_to_their_grid(bits, tmp_path):
    model = _model("MatMul")
    raise_opset(model)
    grid = Activation(-2.0, 3.0, bits)
    matrix = write_weights.matrix_of(_node(model))
    quantize_inputs(model, [_node(model)], {"x": grid})
    x, y = _run(model, tmp_path / "a.onnx")
    integers = np.clip(np.round(x / grid.scale) + grid.zero_point, 0, 2**bits - 1)
    assert np.allclose(y, (integers - grid.zero_point) * grid.scale @ matrix.T, atol=1e-3)


def test_layers_that_share_an_input_share_its_rounding():
    model = _model("MatMul")
    first = _node(model)
    other = ir.node("MatMul", [first.inputs[0], first.inputs[1]], name="other/MatMul")
    model.graph.append(other)
    raise_opset(model)
    quantize_inputs(model, [first, other], {"x": Activation(-1.0, 1.0, 8)})
    assert sum(node.op_type == "QuantizeLinear" for node in model.graph) == 1
    assert first.inputs[0] is other.inputs[0]


def test_zero_is_a_number_of_every_grid_of_activations():
    for low, high in ((0.5, 2.0), (-3.0, -1.0), (-1.0, 0.7), (0.0, 0.0)):
        grid = Activation(low, high, 8)
        assert 0 <= grid.zero_point <= 255 and grid.scale > 0


def test_rounded_weights_are_integers_times_scales():
    rounded = Rounded(np.array([[1, -2, 3, 4]], np.int8), np.array([[0.5, 2.0]], np.float32), Grid(4, 2))
    assert rounded.weights().tolist() == [[0.5, -1.0, 6.0, 8.0]]
