"""Kernels of ONNX Runtime on layers: nearly all of them, the right ones, and a slow one is found by its name."""

from __future__ import annotations

import onnx
import pytest
from onnx import helper

from workbench.export.load import session
from workbench.profile.attribution import RUNTIME, UNMAPPED, Names, attribute
from workbench.profile.layers import COLUMNS
from workbench.profile.onnx_layers import profile_layers
from workbench.profile.onnx_macs import count_graph, load_graph


def executed_graph(path, folder):
    session(path, 1, optimized_path=folder / "executed.onnx")
    return load_graph(folder / "executed.onnx")


@pytest.fixture(scope="module")
def float_layers(exported, feeds):
    return profile_layers(exported["unet"], feeds["unet"], 1, 1, 3)


@pytest.fixture(scope="module")
def int8_layers(quantized_unet, feeds):
    return profile_layers(quantized_unet, feeds["unet"], 1, 1, 3, "w8a8")


@pytest.mark.parametrize("which", ["float_layers", "int8_layers"])
def test_at_least_98_percent_of_kernel_time_is_on_a_layer(which, request, exported):
    found = request.getfixturevalue(which)
    assert found.unmapped_share <= 0.02
    known = set(Names(load_graph(exported["unet"])).layers) | {UNMAPPED, RUNTIME}
    assert set(found.table["layer"]) <= known


@pytest.mark.parametrize("which", ["float_layers", "int8_layers"])
def test_the_table_is_whole(which, request):
    found = request.getfixturevalue(which)
    table = found.table
    assert set(COLUMNS) - {"component"} <= set(table.columns)
    assert {UNMAPPED, RUNTIME} <= set(table["layer"]) and table["layer"].is_unique
    assert table["share"].sum() == pytest.approx(1)
    assert (table["latency_ms"] >= 0).all()
    assert 0 < found.kernel_ms <= found.wall_ms
    assert sum(found.op_ms.values()) == pytest.approx(found.kernel_ms, rel=0.5)


def test_every_product_of_the_exported_graph_is_found_once_in_the_executed_one(exported, quantized_unet, tmp_path):
    """Coverage alone would be met by a map that puts everything somewhere: here each product is at its own place."""
    kinds = ("Conv", "MatMul", "Gemm", "FusedConv", "FusedMatMul", "QLinear", "QGemm")
    for name, path in {**exported, "int8": quantized_unet}.items():
        counted, executed = count_graph(path), executed_graph(path, tmp_path)
        places = attribute(counted.names, executed)
        multiplying = [n for n in executed.node if n.op_type.startswith(kinds) and n.op_type != "QLinearConcat"]
        origins = [places[node.name].origin for node in multiplying]
        assert sorted(o for o in origins if o) == sorted(counted.products), name


def test_inserted_nodes_belong_to_the_value_they_carry(exported, tmp_path):
    executed = executed_graph(exported["vae_decoder"], tmp_path)
    names = Names(load_graph(exported["vae_decoder"]))
    places = attribute(names, executed)
    producer = {value: node for node in executed.node for value in node.output}
    inserted = [n for n in executed.node if n.op_type in ("ReorderInput", "ReorderOutput") and n.input[0] in producer]
    assert {n.op_type for n in inserted} == {"ReorderInput", "ReorderOutput"}
    for node in inserted:
        # ReorderOutput writes a value of the exported graph; what ReorderInput writes has no name but its input has.
        told = names.find(node.output[0]).layer or places[producer[node.input[0]].name].layer
        assert places[node.name].layer == told


def test_int8_is_what_runs_in_integers_not_what_the_file_says(float_layers, int8_layers):
    assert float_layers.integer.layers == float_layers.integer.stored == 0
    assert int8_layers.integer.layers == int8_layers.integer.stored == 1
    assert 0 < int8_layers.integer.with_attention < 1
    schemes = int8_layers.table.set_index("layer")["scheme"]
    assert schemes["down_blocks.0.resnets.0.conv1"] == schemes["time_embedding.linear_1"] == "w8a8"
    assert schemes["down_blocks.0.resnets.0.norm1"] == "fp32"
    assert set(float_layers.table["scheme"]) == {"fp32", ""}


def test_rows_join_times_with_macs_parameters_and_bytes(float_layers):
    row = float_layers.table.set_index("layer").loc["down_blocks.0.resnets.0.conv1"]
    assert row["macs"] == 16 * 16 * 64 * 64 * 9 and row["params"] == 64 * 64 * 9 + 64
    assert row["weight_bytes"] == 4 * row["params"] and row["op"] == "Conv"
    assert row["activation_bytes"] >= 4 * 64 * 16 * 16
    assert row["peak_bytes"] >= 2 * 4 * 64 * 16 * 16  # its input and its output are alive together
    assert float_layers.table["macs"].sum() == 629_751_808


def test_a_layer_made_slower_on_purpose_is_found_by_name(exported, feeds, tmp_path):
    victim = "decoder.up_blocks.1.resnets.0.conv2"
    model = onnx.load(exported["vae_decoder"])
    at, conv = next((i, n) for i, n in enumerate(model.graph.node) if n.name == f"{victim}/Conv")
    value = conv.input[0]
    for k in range(8):
        name = f"{victim}/Erf#{k}"
        model.graph.node.insert(at + k, helper.make_node("Erf", [value], [f"{name}:0"], name=name))
        value = f"{name}:0"
    conv.input[0] = value
    slow = tmp_path / "slow.onnx"
    onnx.save(model, slow)
    tables = [profile_layers(path, feeds["vae_decoder"], 1, 2, 9).table for path in (exported["vae_decoder"], slow)]
    before, after = (t[t["layer"] != RUNTIME].set_index("layer")["latency_ms"] for t in tables)
    assert (after - before).idxmax() == victim


def test_a_name_is_not_taken_for_a_longer_or_shorter_one():
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["x", "w"], ["a/MatMul#1:0"], name="a/MatMul#1"),
            helper.make_node("MatMul", ["a/MatMul#1:0", "w"], ["a/MatMul#12:0"], name="a/MatMul#12"),
            helper.make_node("Relu", ["a/MatMul#12:0"], ["y"], name="b.a/Relu"),
        ],
        "g",
        [],
        [helper.make_empty_tensor_value_info("y")],
    )
    names = Names(graph)
    assert names.find("a/MatMul#12/MatMulScaleFusion/").origin == "a/MatMul#12"
    assert names.find("a/MatMul#1_token_3").origin == "a/MatMul#1"
    assert names.find("Fused_a/MatMul#1").layer == "a"
    assert names.find("y_nchwc").origin == "b.a/Relu"
    assert names.find("a.weight_DequantizeLinear").layer == "a"
    assert names.find("ReorderInput_token_7").layer is None
