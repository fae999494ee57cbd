"""Splitting shortcuts: at the right channel, with the same result, and nothing else touched."""

from __future__ import annotations

import json

import numpy as np
import onnx_ir as ir
import pytest

from workbench.compress.quantize.onnx.qdq import nodes_of
from workbench.compress.quantize.onnx.split_shortcuts import split_points, split_shortcuts
from workbench.export.onnx import save
from workbench.graphs.names import layer_of
from workbench.models.families.stable_diffusion.architectures import UNETS
from workbench.runtimes.onnxruntime.session import session


def _layers(model: ir.Model) -> set[str]:
    return {layer_of(node.name or "") for node in model.graph}


@pytest.mark.parametrize(
    ("name", "points"),
    [("sd-v1", [1280] * 7 + [640] * 3 + [320] * 2), ("bk-tiny", [1280] * 3 + [640] * 2 + [320])],
)
def test_split_points_of_the_published_networks(name, points):
    """papers: 12 splittable shortcuts in Stable Diffusion v1, 6 in BK-Tiny; all channels as the layer has them."""
    import torch
    from diffusers import UNet2DConditionModel

    found = split_points(UNETS[name])
    assert [at for at, _ in found.values()] == points
    with torch.device("meta"):
        unet = UNet2DConditionModel.from_config(UNETS[name])
    convolutions = {path: module for path, module in unet.named_modules() if path.endswith("conv_shortcut")}
    assert {path: of for path, (_, of) in found.items()} == {
        path: module.in_channels for path, module in convolutions.items() if path.startswith("up_blocks")
    }


def test_the_demos_shortcuts_split_where_its_config_says_and_give_the_same(demo_graph, demo, tmp_path):
    path = demo_graph("unet")
    model = ir.load(path)
    before = {node.name: node for node in model.graph}
    report = split_shortcuts(model, _layers(model))
    points = split_points(json.loads((demo / "unet" / "config.json").read_text()))
    assert {row["layer"]: (row["at"], row["of"]) for row in report} == points

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
