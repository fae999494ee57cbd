"""The layer on every node, as far as the runtime's own profile."""

from __future__ import annotations

import json
from pathlib import Path

import onnx
import pytest

from workbench.graphs.names import ROOT, layer_of
from workbench.models.families.stable_diffusion import FAMILY
from workbench.runtimes.onnxruntime.session import session


@pytest.mark.parametrize("component", FAMILY.names)
def test_every_node_is_named_by_a_module_that_exists(tiny, exports, component):
    path, report = exports[component]
    module = tiny.load(component)
    modules = {name for name, _ in getattr(module, "net", module).named_modules()} | {ROOT}
    nodes = onnx.load(path).graph.node
    assert {layer_of(node.name) for node in nodes} <= modules
    assert len({node.name for node in nodes}) == len(nodes) == report["nodes"]
    assert all(node.name.split("/")[1].split("#")[0] == node.op_type for node in nodes)
    assert report["nodes_without_layer"] == []


@pytest.mark.parametrize("component", FAMILY.names)
def test_values_are_named_by_their_node_but_inputs_and_outputs_keep_their_names(exports, component):
    path, report = exports[component]
    graph = onnx.load(path).graph
    assert [i.name for i in graph.input] == list(report["inputs"])
    assert [o.name for o in graph.output] == [report["output"]]
    for node in graph.node:
        assert all(name in (f"{node.name}:{i}", report["output"]) for i, name in enumerate(node.output))


def test_layers_of_the_unet_are_where_their_arithmetic_is(exports):
    nodes = {node.name: node.op_type for node in onnx.load(exports["unet"][0]).graph.node}
    block = "down_blocks.0.attentions.0.transformer_blocks.0"
    assert nodes["conv_in/Conv"] == "Conv"
    assert nodes["time_embedding.linear_1/Gemm"] == "Gemm"
    assert nodes[f"{block}.attn1.to_q/MatMul"] == "MatMul"
    assert nodes[f"{block}.attn1/Softmax"] == "Softmax"
    assert nodes[f"{block}.ff.net.0/Split"] == "Split"  # the exporter gives it no metadata


def test_the_runtimes_profile_of_the_graph_as_written_names_only_known_nodes(exports, tiny, tmp_path: Path):
    path, _ = exports["unet"]
    run = session(path, 1, profile_prefix=tmp_path / "profile", optimization="none")
    run.run(None, tiny.spec("unet").seeded())
    events = json.loads(Path(run.end_profiling()).read_text())
    kernels = {e["name"].removesuffix("_kernel_time") for e in events if e["name"].endswith("_kernel_time")}
    names = {node.name for node in onnx.load(path).graph.node}
    assert kernels and kernels <= names
