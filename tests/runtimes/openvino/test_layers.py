"""Kernels of OpenVINO on layers: nearly all of them, the right ones, and a slow one is found by its name."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from functools import partial

import onnx
import pytest

from workbench.compress.quantize.nncf.openvino import quantize_openvino
from workbench.graphs.costs import node_costs
from workbench.graphs.layer_names import Names
from workbench.measure.counts import Count
from workbench.measure.layers import COLUMNS, OUTSIDE, UNMAPPED
from workbench.measure.network import Network
from workbench.profile.counts import count_network
from workbench.runtimes.openvino.file import File
from workbench.runtimes.openvino.kernels import Kernels
from workbench.runtimes.openvino.layers import assemble, profile_openvino
from workbench.runtimes.openvino.session import compile_model, read_model
from workbench.runtimes.openvino.trace import LEAST_PASSES, record


@pytest.fixture(scope="module")
def nncf_unet(tiny, exports, tmp_path_factory):
    """A tiny U-Net quantized by NNCF in OpenVINO's format, and its inputs."""
    exported, out = exports["unet"][0], tmp_path_factory.mktemp("nncf") / "model.xml"
    layers = {cost.layer for cost in node_costs(exported) if cost.weights} - {"conv_in"}
    feed = tiny.spec("unet").seeded()
    quantize_openvino(exported, layers, [feed], out)
    return out, feed


PASSES = {"fp32": 3, "qdq": 3, "nncf": LEAST_PASSES + 1}
"""How many of each: of the last, so many that it is compiled twice."""


@pytest.fixture(scope="module")
def recorded(exported, quantized_unet, feeds, nncf_unet):
    """What each file says, the graph executed and its passes."""
    files = {
        "fp32": (exported["unet"], feeds["unet"]),
        "qdq": (quantized_unet, feeds["unet"]),
        "nncf": nncf_unet,
    }
    found = {}
    for name, (path, feed) in files.items():
        model = read_model(path)
        anew = partial(compile_model, model, path, 1, count=True)
        found[name] = (File(path, model), *record(anew, feed, 2, PASSES[name]))
    return found


@pytest.fixture(scope="module")
def layers(recorded, exported, feeds):
    counted = count_network(Network("base", "unet", "fp32", feeds["unet"], exported["unet"]))
    return {
        name: assemble(*found, "w8a8", Count((), {}) if name == "nncf" else counted) for name, found in recorded.items()
    }


@pytest.mark.parametrize("which", ["fp32", "qdq", "nncf"])
def test_at_least_95_percent_of_kernel_time_is_on_a_layer(which, layers, exported):
    found = layers[which]
    assert found.unmapped_share <= 0.05
    if which != "nncf":
        known = set(Names(onnx.load(exported["unet"]).graph).layers) | {UNMAPPED, OUTSIDE}
        assert set(found.table["layer"]) <= known


@pytest.mark.parametrize("which", ["fp32", "qdq", "nncf"])
def test_the_table_is_whole(which, layers):
    found = layers[which]
    table = found.table
    assert set(COLUMNS) - {"component", "runtime_bytes"} <= set(table.columns)
    assert {UNMAPPED, OUTSIDE} <= set(table["layer"]) and table["layer"].is_unique
    assert table["share"].sum() == pytest.approx(1) and (table["latency_ms"] >= 0).all()
    assert found.passes == PASSES[which]
    timed = table.set_index("layer")["latency_ms"]
    assert all(len(times) == found.passes for times in found.samples.values())
    assert {layer for layer in timed.index if timed[layer]} <= set(found.samples)


@pytest.mark.parametrize("which", ["fp32", "qdq", "nncf"])
def test_every_product_of_the_file_is_found_once_in_the_executed_graph(which, recorded):
    """Coverage alone would be met by a map that puts everything somewhere: here each product is at its own place."""
    file = recorded[which][0]
    kernels = Kernels(*recorded[which])
    seen = Counter(cost.node for node in kernels.nodes for cost in kernels.products_of(node))
    assert seen == Counter(list(file.products)) and len(seen) > 10
    for node in kernels.nodes:
        own = {file.layer(cost.node) for cost in kernels.products_of(node)}
        assert not own or kernels.layer[node.name] in own


def test_parts_of_a_norm_without_a_name_of_their_own_belong_to_the_norm(layers):
    ops = layers["fp32"].table.set_index("layer")["op"]
    norms = [layer for layer in ops.index if layer.rpartition(".")[2] in ("norm", "norm1", "norm2", "norm3")]
    assert len(norms) > 50 and set(ops[norms]) == {"MVN"}
    assert list(ops.index[ops == "MVN"].difference(norms)) == ["conv_norm_out"]


def test_a_layer_computed_by_anothers_kernel_says_so(layers):
    row = layers["fp32"].table.set_index("layer").loc["time_embedding.act"]
    assert row["fused_into"] == "time_embedding.linear_1" and row["latency_ms"] == row["calls"] == 0
    fused = layers["fp32"].table
    timed = set(fused.loc[fused["calls"] > 0, "layer"])
    assert set(fused.loc[fused["fused_into"] != "", "fused_into"]) <= timed


def test_a_layer_too_short_for_the_counters_keeps_its_counts(recorded, exported, feeds):
    file, nodes, passes = recorded["fp32"]
    counted = count_network(Network("base", "unet", "fp32", feeds["unet"], exported["unet"]))
    attention = next(layer.layer for layer in counted.layers if layer.attention_macs and not layer.params)
    layer_of = Kernels(file, nodes, passes).layer
    short = [
        replace(one, kernels={name: 0 if layer_of.get(name) == attention else us for name, us in one.kernels.items()})
        for one in passes
    ]
    table = assemble(file, nodes, short, "w8a8", counted).table.set_index("layer")
    assert table["attention_macs"].sum() == counted.macs_with_attention - counted.macs
    assert (table.loc[attention, "latency_ms"], table.loc[attention, "calls"]) == (0, 0)
    assert table.loc[attention, "op"] != "(fused)"


def test_int8_is_what_runs_in_integers_not_what_the_file_says(layers):
    assert layers["fp32"].integer.layers == layers["fp32"].integer.stored == 0
    assert layers["qdq"].integer.stored == 1 and layers["qdq"].integer.layers > 0.9
    assert 0 < layers["qdq"].integer.with_attention < layers["qdq"].integer.layers
    assert 0.9 < layers["nncf"].integer.stored < 1  # conv_in was left out
    schemes = layers["qdq"].table.set_index("layer")["scheme"]
    assert schemes["down_blocks.0.resnets.0.conv1"] == schemes["time_embedding.linear_1"] == "w8a8"
    assert schemes["down_blocks.0.resnets.0.norm1"] == "fp32"
    assert layers["nncf"].table.set_index("layer")["scheme"]["conv_in"] == "fp32"
    assert set(layers["fp32"].table["scheme"]) == {"fp32", ""}


def test_rows_join_times_with_macs_parameters_and_bytes(layers, nncf_unet):
    row = layers["fp32"].table.set_index("layer").loc["down_blocks.0.resnets.0.conv1"]
    assert row["macs"] == 16 * 16 * 64 * 64 * 9 and row["params"] == 64 * 64 * 9 + 64
    assert row["weight_bytes"] == 4 * row["params"] and row["op"] == "Convolution"
    assert row["activation_bytes"] == 4 * 64 * 16 * 16 and row["peak_bytes"] >= 2 * row["activation_bytes"]
    assert layers["fp32"].table["macs"].sum() == 629_751_808
    quantized = layers["nncf"].table.set_index("layer")
    weights = 16 * 16 * 9
    assert weights < quantized.loc["down_blocks.0.resnets.0.conv1", "weight_bytes"] < 2 * weights


def test_events_are_the_kernels_of_one_pass_one_after_another(layers):
    found = layers["qdq"]
    assert sum(event.duration_us for event in found.events) / 1e3 == pytest.approx(found.kernel_ms, rel=0.2)
    ends = [event.start_us + event.duration_us for event in found.events]
    assert [event.start_us for event in found.events[1:]] == ends[:-1]
    assert {event.layer for event in found.events} <= set(found.table["layer"])


def test_conversions_between_precisions_are_counted(layers):
    assert layers["fp32"].transitions == ()
    [*found] = layers["qdq"].transitions
    pairs = {(one.before, one.after) for one in found}
    assert pairs & {("fp32", "uint8"), ("fp32", "int8")} and {p for pair in pairs for p in pair} <= {
        "fp32",
        "uint8",
        "int8",
    }
    assert all(one.count > 0 and one.ms > 0 for one in found)


def test_a_layer_made_slower_on_purpose_is_found_by_name(exported, feeds, slowed_decoder, gained_most):
    victim, slow = slowed_decoder
    before, after = (
        profile_openvino(
            Network("own", "vae_decoder", "fp32", feeds["vae_decoder"], path), Count((), {}), 1, 2, 5
        ).samples
        for path in (exported["vae_decoder"], slow)
    )
    assert gained_most(before, after) == victim
