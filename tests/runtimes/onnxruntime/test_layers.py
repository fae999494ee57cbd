"""Kernels of ONNX Runtime on layers: nearly all of them, the right ones, and a slow one is found by its name."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from workbench.graphs.macs import count_graph
from workbench.measure.layers import COLUMNS, OUTSIDE, UNMAPPED
from workbench.measure.network import Network
from workbench.runtimes.onnxruntime.layers import profile_layers


def profile(path, feed, warmup, iterations, scheme="fp32"):
    return profile_layers(Network("own", "model", scheme, feed, path), 1, warmup, iterations)


@pytest.fixture(scope="module")
def float_layers(exported, feeds):
    return profile(exported["unet"], feeds["unet"], 1, 3)


@pytest.fixture(scope="module")
def int8_layers(quantized_unet, feeds):
    return profile(quantized_unet, feeds["unet"], 1, 3, "w8a8")


@pytest.fixture(params=["float_layers", "int8_layers"])
def layers(request):
    return request.getfixturevalue(request.param)


def test_at_least_98_percent_of_kernel_time_is_on_a_layer(layers, exported):
    assert layers.unmapped_share <= 0.02
    assert set(layers.table["layer"]) <= {*count_graph(exported["unet"]).names.layers, UNMAPPED, OUTSIDE}


def test_the_table_is_whole(layers):
    table = layers.table
    assert set(COLUMNS) - {"component"} == set(table.columns)
    assert {UNMAPPED, OUTSIDE} <= set(table["layer"]) and table["layer"].is_unique
    assert table["share"].sum() == pytest.approx(1)
    assert (table["latency_ms"] >= 0).all()
    assert 0 < layers.kernel_ms <= layers.wall_ms
    assert layers.op_ms.keys() == {event.op for event in layers.events}
    assert list(layers.op_ms.values()) == sorted(layers.op_ms.values(), reverse=True)


def test_samples_of_all_rows_add_up_to_the_passes(layers):
    rows = layers.table.set_index("layer")["latency_ms"]
    assert {layer for layer, ms in rows.items() if ms} <= layers.samples.keys()
    assert {len(times) for times in layers.samples.values()} == {layers.passes}
    for layer, times in layers.samples.items():
        assert rows[layer] == pytest.approx(np.median(times))
    walls = np.sum(list(layers.samples.values()), axis=0)
    assert layers.wall_ms == pytest.approx(np.median(walls))


def test_events_are_the_kernels_of_one_pass_in_their_order(layers):
    table = layers.table.set_index("layer")
    assert len(layers.events) == table["calls"].sum() - 1  # all but the runtime's row
    starts = [event.start_us for event in layers.events]
    assert starts == sorted(starts) and starts[0] >= 0
    assert sum(event.duration_us for event in layers.events) / 1e3 == pytest.approx(layers.kernel_ms)
    assert {event.layer for event in layers.events} <= set(table.index)


def test_the_peak_of_live_values_is_where_it_is_said_to_be(layers):
    table = layers.table.set_index("layer")
    assert layers.live_peak_bytes == table["peak_bytes"].max() == table.loc[layers.live_peak_at, "peak_bytes"]


def test_int8_is_what_runs_in_integers_not_what_the_file_says(float_layers, int8_layers):
    assert float_layers.integer.layers == float_layers.integer.stored == 0
    assert int8_layers.integer.layers == int8_layers.integer.stored == 1
    assert 0 < int8_layers.integer.with_attention < 1
    schemes = int8_layers.table.set_index("layer")["scheme"]
    assert schemes["down_blocks.0.resnets.0.conv1"] == schemes["time_embedding.linear_1"] == "w8a8"
    assert schemes["down_blocks.0.resnets.0.norm1"] == "fp32"
    assert set(float_layers.table["scheme"]) == {"fp32", ""}


def test_transitions_are_between_the_precisions_that_the_file_mixes(float_layers, int8_layers):
    assert float_layers.transitions == ()
    found = {(t.before, t.after): t for t in int8_layers.transitions}
    assert found.keys() == {("fp32", "uint8"), ("uint8", "fp32")}
    assert all(t.count > 10 and t.ms > 0 for t in found.values())
    ops = [event.op for event in int8_layers.events]
    assert found["fp32", "uint8"].count == ops.count("QuantizeLinear")
    assert found["uint8", "fp32"].count == ops.count("DequantizeLinear")
    assert found["fp32", "uint8"].ms == int8_layers.op_ms["QuantizeLinear"]


def test_rows_join_times_with_macs_parameters_and_bytes(float_layers):
    row = float_layers.table.set_index("layer").loc["down_blocks.0.resnets.0.conv1"]
    assert row["macs"] == 16 * 16 * 64 * 64 * 9 and row["params"] == 64 * 64 * 9 + 64
    assert row["weight_bytes"] == 4 * row["params"] and row["op"] == "Conv"
    assert row["activation_bytes"] >= 4 * 64 * 16 * 16
    assert row["peak_bytes"] >= 2 * 4 * 64 * 16 * 16  # its input and its output are alive together
    assert float_layers.table["macs"].sum() == 629_751_808


def test_what_the_runtime_says_it_holds_is_in_a_column_of_its_own(float_layers):
    """It counts its arena: values, and the weights that it has put into another layout."""
    table = float_layers.table[float_layers.table["calls"] > 0].set_index("layer").drop(index=[OUTSIDE])
    held = table["runtime_bytes"]
    assert held.notna().all() and (held > 0).all()
    assert held.nunique() > 10 and held.max() >= float_layers.live_peak_bytes


def test_a_layer_that_is_computed_with_another_is_shown_with_it(exported, feeds):
    """The decoder's last blocks only add their shortcut, which the convolution before them does for them."""
    table = profile(exported["vae_decoder"], feeds["vae_decoder"], 1, 2).table.set_index("layer")
    fused = table[table["fused_into"] != ""]
    assert fused.loc["decoder.up_blocks.0.resnets.1", "fused_into"] == "decoder.up_blocks.0.resnets.1.conv2"
    assert (fused["latency_ms"] == 0).all() and (fused["calls"] == 0).all() and set(fused["op"]) == {"(fused)"}
    assert (table.loc[fused["fused_into"], "latency_ms"] > 0).all()


def test_a_layer_made_slower_on_purpose_is_found_by_name(exported, feeds, slowed_decoder, gained_most):
    victim, slow = slowed_decoder
    before, after = (profile(path, feeds["vae_decoder"], 2, 9).samples for path in (exported["vae_decoder"], slow))
    assert gained_most(before, after) == victim


class Foreign(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.Conv2d(16, 16, 3))
        self.head = nn.Linear(16, 5)

    def forward(self, x):
        return self.head(self.body(x).mean((2, 3))).softmax(-1)


@pytest.fixture(scope="module", params=["torchscript", "dynamo", "without names"])
def foreign(request, tmp_path_factory):
    path = tmp_path_factory.mktemp("foreign") / "model.onnx"
    example = (torch.zeros(1, 3, 8, 8),)
    if request.param == "dynamo":
        program = torch.onnx.export(Foreign().eval(), example, dynamo=True, optimize=False, verbose=False)
        program.save(path)
        return request.param, path
    # Batch norms kept apart, as from a framework that doesn't fold them.
    options = {"dynamo": False, "opset_version": 17, "training": torch.onnx.TrainingMode.PRESERVE}
    sides = {"x": {0: "batch", 2: "height", 3: "width"}}
    torch.onnx.export(
        Foreign().eval(), example, path, input_names=["x"], dynamic_axes=sides, do_constant_folding=False, **options
    )
    if request.param == "without names":
        model = onnx.load(path)
        for node in model.graph.node:
            node.name = "same" if node.op_type == "Relu" else ""
        renamed = {value: f"v{i}" for i, node in enumerate(model.graph.node) for value in node.output}
        renamed |= {tensor.name: f"w{i}" for i, tensor in enumerate(model.graph.initializer)}
        for node in model.graph.node:
            node.input[:] = [renamed.get(value, value) for value in node.input]
            node.output[:] = [renamed[value] for value in node.output]
        for tensor in model.graph.initializer:
            tensor.name = renamed[tensor.name]
        model.graph.output[0].name = renamed[model.graph.output[0].name]
        onnx.save(model, path)
    return request.param, path


def test_a_file_of_foreign_origin_is_profiled_by_its_own_names(foreign):
    kind, path = foreign
    (name,) = [value.name for value in onnx.load(path).graph.input]
    side = 8 if kind == "dynamo" else 12
    found = profile(path, {name: np.zeros((1, 3, side, side), np.float32)}, 1, 2)
    table = found.table.set_index("layer")
    assert found.unmapped_share == 0
    convolutions = table[(table["op"] == "Conv") & (table["calls"] > 0)]
    assert sorted(convolutions["macs"]) == sorted([side**2 * 16 * 27, (side - 2) ** 2 * 16 * 144])
    assert table["params"].sum() == sum(p.numel() for p in Foreign().parameters())
    if kind == "without names":
        assert all(layer.startswith("Conv(v") for layer in convolutions.index)
    else:
        assert list(convolutions.index) == ["body.0", "body.3"]
        assert table.loc["head", "macs"] == 80 and table.loc["body.2", "fused_into"] == "body.0"
        assert table.loc["body.1", "fused_into"] == "body.0"


def test_kernels_in_a_branch_are_on_their_own_layers_and_not_counted_twice(tmp_path):
    model = onnx.parser.parse_model("""<ir_version: 8, opset_import: ["" : 17]>
    g (bool flag, float[128, 128] x) => (float[128, 128] y) {
      y = If (flag) <
        then_branch = yes () => (float[128, 128] p) { m = MatMul(x, x) m2 = MatMul(m, x) p = Softmax(m2) },
        else_branch = no () => (float[128, 128] q) { q = Erf(x) }
      >
    }""")
    names = {"m": "/big/one/MatMul", "m2": "/big/two/MatMul", "p": "/big/Softmax", "q": "/small/Erf", "y": "/If"}
    branches = [a.g for a in model.graph.node[0].attribute]
    for node in (model.graph.node[0], *(node for branch in branches for node in branch.node)):
        node.name = names[node.output[0]]
    onnx.save(model, tmp_path / "if.onnx")
    feed = {"flag": np.array(True), "x": np.zeros((128, 128), np.float32)}
    found = profile(tmp_path / "if.onnx", feed, 1, 3)
    table = found.table.set_index("layer")
    assert set(table.index) == {"(root)", "big.one", "big.two", "big", "small", UNMAPPED, OUTSIDE}
    assert found.unmapped_share == 0 and table.loc["small", "op"] == "(not run)"
    assert found.kernel_ms <= found.wall_ms  # the If's own time is without that of what it runs
    assert table["latency_ms"].nlargest(3).index.intersection(["big.one", "big.two"]).size == 2
