"""Node data for model-explorer: every key is a node or tensor of the graph, and times add up to the layers'."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from workbench.graphs.read import read_model
from workbench.profile.views.explorer import node_times, write_explorer


def test_times_lie_on_the_graph_and_add_up_to_the_layers(stored, exported, tmp_path):
    path = tmp_path / "base@host.explorer.json"
    files = write_explorer(stored.summary, stored.table, path, exported)
    assert [f.name for f in files] == [f"base@host.{n}.explorer.json" for n in ("text_encoder", "vae_decoder")]
    for component, file in zip(("text_encoder", "vae_decoder"), files, strict=True):
        data = json.loads(file.read_text())
        nodes = read_model(exported[component]).graph.node
        names, tensors = {n.name for n in nodes}, {value for n in nodes for value in n.output}
        results = data["results"]
        by_node = {key: entry["value"] for key, entry in results.items() if key in names}
        by_tensor = {key: entry["value"] for key, entry in results.items() if key in tensors}
        rows = stored.table[(stored.table.component == component) & (stored.table.layer != "(runtime)")]
        assert len(results) == len(by_node) + len(by_tensor)
        assert sum(by_node.values()) == pytest.approx(rows.latency_ms.sum(), abs=1e-3)
        assert all(by_node[key.rsplit(":", 1)[0]] == value for key, value in by_tensor.items() if ":" in key)
        assert [stop["stop"] for stop in data["gradient"]] == sorted(s["stop"] for s in data["gradient"])
        assert data["gradient"][0]["stop"] == 0 and data["gradient"][-1]["stop"] == 1


def saved(path: Path, *nodes: onnx.NodeProto) -> Path:
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [4]) for name in ("in", "out")]
    onnx.save(helper.make_model(helper.make_graph(nodes, "g", values[:1], values[1:])), path)
    return path


def test_a_layers_time_is_shared_out_by_its_kernels(tmp_path: Path):
    file = saved(
        tmp_path / "model.onnx",
        helper.make_node("Conv", ["in", "w"], ["conv/Conv:0"], name="conv/Conv"),
        helper.make_node("Mul", ["in", "conv/Conv:0"], ["conv/Mul#2:0"], name="conv/Mul#2"),
        helper.make_node("MatMul", ["conv/Mul#2:0", "v"], ["out"], name="fc/MatMul"),
    )
    events = [
        ["conv/Conv:0_nchwc", "conv", "Conv", 0, 30],
        ["ReorderOutput_token_3", "conv", "ReorderOutput", 30, 5],
        ["conv/Mul#2/QuickGeluFusion/", "conv", "QuickGelu", 35, 5],
        ["lost", "(unmapped)", "Cast", 40, 9],
        ["MatMul_token_9", "fc", "MatMul", 50, 2],
    ]
    found = node_times(events, {"conv": 8.0, "fc": 0.5, "(unmapped)": 0.1}, file)
    assert found == {
        "conv/Conv:0": {"value": 7.0}, "conv/Conv": {"value": 7.0},
        "conv/Mul#2:0": {"value": 1.0}, "conv/Mul#2": {"value": 1.0},
        "out": {"value": 0.5}, "fc/MatMul": {"value": 0.5},
    }  # fmt: skip


def test_a_file_of_another_exporter_is_keyed_by_its_own_names(tmp_path: Path):
    file = saved(
        tmp_path / "model.onnx",
        helper.make_node("Relu", ["in"], ["/act/Relu_output_0"], name="/act/Relu"),
        helper.make_node("Exp", ["/act/Relu_output_0"], ["out"], name="/head/Exp"),
    )
    events = [["/act/Relu", "act", "Relu", 0, 3], ["/head/Exp", "head", "Exp", 3, 1]]
    times = {"act": 0.3, "head": 0.1}
    assert node_times(events, times, file) == {
        "/act/Relu_output_0": {"value": 0.3}, "/act/Relu": {"value": 0.3},
        "out": {"value": 0.1}, "/head/Exp": {"value": 0.1},
    }  # fmt: skip


def test_the_only_component_takes_the_path_as_given_and_none_without_kernels_or_graph(stored, exported, tmp_path):
    def written(summary, name="y.json", graphs=exported):
        files = write_explorer(summary, stored.table, tmp_path / name, graphs)
        assert all(file.is_file() for file in files)
        return [file.name for file in files]

    summary = copy.deepcopy(stored.summary)
    summary["components"]["vae_decoder"]["events"] = []
    assert written(summary, "x.explorer.json") == ["x.explorer.json"]
    assert written(summary | {"runtime": "torch"}) == []
    assert written(summary, graphs={"text_encoder": Path("model.xml")}) == []
    summary["components"]["text_encoder"]["events"] = []
    assert written(summary) == [] and not (tmp_path / "y.json").exists()
