"""Products of an ONNX graph: each operator by its own formula, and which of them are int8."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from workbench.graphs.costs import int8_shares, node_costs, product_of
from workbench.graphs.products import PRODUCTS
from workbench.graphs.shapes import Shapes

MS = "com.microsoft"


def macs(kind, inputs, outputs, constant=(), domain="", **attributes):
    """MACs with a constant and of activations, of one node with operands of these shapes; None for an unknown one."""
    names = [f"i{k}" if shape is not None else "" for k, shape in enumerate(inputs)]
    results = [f"o{k}" for k in range(len(outputs))]
    node = helper.make_node(kind, names, results, domain=domain, **attributes)
    sides = dict(zip([*names, *results], [*inputs, *outputs], strict=True))
    known = {name: shape for name, shape in sides.items() if shape is not None}
    found = product_of(node, Shapes(known, {}), {f"i{k}" for k in constant})
    return None if found.why else (found.macs, found.attention_macs)


CASES = {
    "Conv, two groups": (("Conv", [(1, 4, 8, 8), (6, 2, 3, 3)], [(1, 6, 8, 8)], [1]), (6 * 64 * 2 * 9, 0)),
    "ConvTranspose": (("ConvTranspose", [(1, 4, 8, 8), (4, 3, 2, 2)], [(1, 3, 16, 16)], [1]), (4 * 64 * 3 * 4, 0)),
    "QLinearConv": (("QLinearConv", [(1, 4, 8, 8), (), (), (6, 4, 1, 1)], [(1, 6, 8, 8)], [3]), (6 * 64 * 4, 0)),
    "ConvInteger": (("ConvInteger", [(1, 4, 5), (2, 4, 3)], [(1, 2, 3)], [1]), (6 * 12, 0)),
    "FusedConv": (("FusedConv", [(1, 4, 5), (2, 4, 3)], [(1, 2, 3)], [1], MS), (6 * 12, 0)),
    "MatMul with a weight": (("MatMul", [(7, 3, 4), (4, 5)], [(7, 3, 5)], [1]), (7 * 3 * 4 * 5, 0)),
    "MatMul with a weight before": (("MatMul", [(3, 4), (7, 4, 5)], [(7, 3, 5)], [0]), (7 * 3 * 4 * 5, 0)),
    "MatMul of activations": (("MatMul", [(7, 3, 4), (7, 4, 5)], [(7, 3, 5)]), (0, 7 * 3 * 4 * 5)),
    "MatMul of vectors": (("MatMul", [(4,), (4,)], [()]), (0, 4)),
    "QLinearMatMul": (("QLinearMatMul", [(3, 4), (), (), (4, 5)], [(3, 5)], [1, 2, 3]), (60, 0)),
    "QLinearMatMul of activations": (("QLinearMatMul", [(3, 4), (), (), (4, 5)], [(3, 5)], [1, 2]), (0, 60)),
    "MatMulInteger": (("MatMulInteger", [(3, 4), (4, 5)], [(3, 5)], [1]), (60, 0)),
    "Gemm": (("Gemm", [(3, 4), (4, 5), (5,)], [(3, 5)], [1, 2]), (60, 0)),
    "Einsum": (("Einsum", [(3, 4), (4, 5)], [(3, 5)], [1]), (60, 0)),
    "LSTM": (("LSTM", [(9, 2, 3), (1, 16, 3), (1, 16, 4)], [(9, 1, 2, 4)], [1, 2]), (9 * 2 * (16 * 3 + 16 * 4), 0)),
    "GRU both ways": (("GRU", [(9, 2, 3), (2, 12, 3), (2, 12, 4)], [(9, 2, 2, 4)]), (9 * 2 * 2 * (12 * 3 + 12 * 4), 0)),
    "Attention, 4-D": (("Attention", [(2, 3, 5, 8), (2, 3, 7, 8), (2, 3, 7, 6)], [(2, 3, 5, 6)]), (0, 6 * 35 * 14)),
}


@pytest.mark.parametrize("name", CASES)
def test_products_by_their_definitions(name):
    case, expected = CASES[name]
    extra = {"equation": "ij,jk->ik"} if case[0] == "Einsum" else {}
    assert macs(*case, **extra) == expected


def test_transposed_operands_keep_the_inner_side():
    assert macs("Gemm", [(4, 3), (4, 5)], [(3, 5)], [1], transA=1) == (60, 0)
    assert macs("FusedMatMul", [(7, 4, 3), (7, 4, 5)], [(7, 3, 5)], domain=MS, transA=1) == (0, 7 * 60)
    assert macs("FusedMatMul", [(7, 3, 4), (7, 5, 4)], [(7, 3, 5)], domain=MS, transB=1) == (0, 7 * 60)
    assert macs("FusedMatMul", [(3, 7, 4), (7, 4, 5)], [(7, 3, 5)], domain=MS, transBatchA=1) == (0, 7 * 60)


def test_fused_attention_counts_both_products_and_its_own_projections():
    both = 2 * 5 * 5 * 24  # batch, query length, key length, hidden; once for the scores, once for the values
    assert macs("Attention", [(2, 5, 24)] * 3, [(2, 5, 24)], q_num_heads=3, kv_num_heads=3) == (0, 2 * both)
    # Grouped: 3 heads of queries share one of keys and values, each as wide as a head of queries.
    assert macs("Attention", [(2, 5, 24), (2, 5, 8), (2, 5, 8)], [(2, 5, 24)], q_num_heads=3, kv_num_heads=1) == (
        0,
        2 * both,
    )
    past = [(2, 3, 5, 8), (2, 3, 5, 8), (2, 3, 5, 8), None, (2, 3, 4, 8), (2, 3, 4, 8)]
    assert macs("Attention", past, [(2, 3, 5, 8)]) == (0, 2 * 2 * 5 * (5 + 4) * 24)
    assert macs("MultiHeadAttention", [(2, 5, 24)] * 3, [(2, 5, 24)], domain=MS, num_heads=3) == (0, 2 * both)
    assert macs("MultiHeadAttention", [(2, 5, 3, 3, 8)], [(2, 5, 24)], domain=MS, num_heads=3) == (0, 2 * both)
    heads = [(2, 5, 24), (2, 3, 7, 8), (2, 3, 7, 8)]
    assert macs("MultiHeadAttention", heads, [(2, 5, 24)], domain=MS, num_heads=3) == (0, 2 * 2 * 5 * 7 * 24)
    packed = [(2, 5, 16), (16, 72), (72,)]
    assert macs("Attention", packed, [(2, 5, 24)], [1, 2], MS, num_heads=3) == (2 * 5 * 16 * 72, 2 * both)
    grouped = [(2, 5, 24), (2, 5, 8), (2, 5, 8)]
    cache = [(2, 5, 24), (2, 1, 9, 8), (2, 1, 9, 8)]
    assert macs("GroupQueryAttention", grouped, cache, domain=MS, num_heads=3, kv_num_heads=1) == (
        0,
        2 * 2 * 5 * 9 * 24,
    )


def test_a_shape_that_is_not_known_is_no_zero():
    assert macs("MatMul", [None, (4, 5)], [(3, 5)], [1]) is None
    assert macs("Conv", [(1, 4, 8, 8), (6, 4, 3, 3)], [None], [1]) is None
    assert macs("Attention", [(2, 5, 24)] * 3, [(2, 5, 24)]) is None  # 3-D without the number of heads


def test_every_formula_is_for_an_operator_that_the_runtime_or_onnx_knows():
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    known = {schema.name for schema in onnx.defs.get_all_schemas()} | {s.name for s in state.get_all_operator_schema()}
    assert set(PRODUCTS) <= known


@pytest.fixture
def quantized(tmp_path):
    """One product of integers (8·8 weights), one of floats with a bias that is dequantized, one of activations."""
    rng = np.random.default_rng(0)
    weights = {"w": rng.integers(-9, 9, (8, 8)).astype(np.int8), "v": rng.standard_normal((8, 4)).astype(np.float32)}
    constants = weights | {"s": np.float32(0.1), "zu": np.uint8(128), "zi": np.int8(0)}
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "s", "zu"], ["xq"]),
        helper.make_node("DequantizeLinear", ["xq", "s", "zu"], ["xd"]),
        helper.make_node("DequantizeLinear", ["w", "s", "zi"], ["wd"]),
        helper.make_node("MatMul", ["xd", "wd"], ["a"], name="up.first/MatMul"),
        helper.make_node("MatMul", ["a", "v"], ["b"], name="up.second/MatMul"),
        helper.make_node("Transpose", ["b"], ["bt"], perm=[1, 0]),
        helper.make_node("MatMul", ["b", "bt"], ["y"], name="up/MatMul"),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [3, 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [3, 3])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    path = tmp_path / "q.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), path)
    return path


def test_what_runs_in_int8_is_what_both_operands_are_dequantized_for(quantized):
    costs = node_costs(quantized)
    assert [(c.layer, c.op, c.macs, c.weights, c.int8) for c in costs] == [
        ("up.first", "MatMul", 192, 64, True),
        ("up.second", "MatMul", 96, 32, False),
        ("up", "MatMul", 36, 0, False),
    ]
    assert int8_shares(costs) == {"macs": 192 / 288, "macs_with_attention": 192 / 324, "weights": 64 / 96}
    assert node_costs(onnx.load(quantized)) == costs
