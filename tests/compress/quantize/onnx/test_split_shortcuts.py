"""Splitting shortcuts: at the right channel, with the same result, and nothing else touched."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from workbench.compress.quantize.onnx.qdq import nodes_of
from workbench.compress.quantize.onnx.split_shortcuts import split_shortcuts
from workbench.export.onnx import save
from workbench.graphs.names import layer_of
from workbench.runtimes.onnxruntime.session import session

POINTS = [144, 144, 144, 144, 144, 144, 144, 128, 128, 128, 64, 64]
"""Channels of the decoder's features, in the graph's order."""


def _layers(model: ir.Model) -> set[str]:
    return {layer_of(node.name or "") for node in model.graph}


def test_the_demos_shortcuts_split_where_the_skip_begins_and_give_the_same(demo_graph, tmp_path):
    path = demo_graph("unet")
    model = ir.load(path)
    before = {node.name: node for node in model.graph}
    widths = {name: node.inputs[1].shape[1] for name, node in before.items() if node.op_type == "Conv"}
    report = split_shortcuts(model, _layers(model))
    assert [row["at"] for row in report] == POINTS
    assert all(row["of"] == widths[f"{row['layer']}/Conv"] for row in report)

    save(model, tmp_path / "split.onnx")
    plain, split = session(path), session(tmp_path / "split.onnx")
    rng = np.random.default_rng(0)
    for step in (10.0, 900.0):
        feed = {i.name: rng.standard_normal(i.shape, dtype=np.float32) for i in plain.get_inputs()}
        feed["timestep"] = np.array([step], np.float32)
        want, got = plain.run(None, feed)[0], split.run(None, feed)[0]
        assert np.abs(got - want).max() <= 1e-5 * np.abs(want).max()

    after = {node.name: node for node in model.graph}
    assert len(after) == len(model.graph) == len(before) + 2 * len(report)
    assert before.keys() <= after.keys()
    for name in ("down_blocks.1.resnets.0.conv_shortcut/Conv", "up_blocks.0/Concat#1"):
        assert after[name] is before[name]


def test_each_half_has_its_own_weights_and_its_own_input(demo_graph):
    model = ir.load(demo_graph("unet"))
    layer = "up_blocks.1.resnets.2.conv_shortcut"
    whole = model.graph.initializers[f"{layer}.weight"].const_value.numpy().copy()
    assert split_shortcuts(model, [layer]) == [{"layer": layer, "at": 144, "of": 272}]
    h, skip = nodes_of(model, [layer])
    assert [h.inputs[0].name, skip.inputs[0].name] == [
        "up_blocks.1.attentions.1/Add:0",
        "down_blocks.1.downsamplers.0.conv/Conv:0",
    ]
    assert np.array_equal(h.inputs[1].const_value.numpy(), whole[:, :144])
    assert np.array_equal(skip.inputs[1].const_value.numpy(), whole[:, 144:])
    assert len(h.inputs) == 3 and len(skip.inputs) == 2  # the bias is added once
    assert f"{layer}.weight" not in model.graph.initializers


def test_layers_that_were_not_asked_for_stay_whole(demo_graph):
    model = ir.load(demo_graph("unet"))
    before = len(model.graph)
    assert split_shortcuts(model, {"down_blocks.1.resnets.0.conv_shortcut", "conv_in", "up_blocks.0"}) == []
    assert len(model.graph) == before
