"""The step ``quantize``: what becomes int8, what stays, and what the report says of it."""

from __future__ import annotations

import tracemalloc
from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import pytest
import tiny_pipeline
from pydantic import ValidationError

from workbench.compress.calibration import Ranges, Trajectory
from workbench.compress.policies import POLICIES
from workbench.compress.quantize import QuantizeConfig, quantize
from workbench.compress.registry import StepContext, StepResult
from workbench.export.components import spec
from workbench.export.graph_macs import node_costs
from workbench.export.load import session
from workbench.export.names import layer_of
from workbench.export.store import stored_export
from workbench.models.candidate import Candidate
from workbench.models.sources import demo_folder
from workbench.progress import quiet
from workbench.store.store import Store

SMALL = {"prompts": 1, "steps": 3}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Candidate:
    return tiny_pipeline.make(tmp_path_factory.mktemp("tiny"), demo_folder())


@pytest.fixture(scope="module")
def context(tiny: Candidate, tmp_path_factory: pytest.TempPathFactory) -> StepContext:
    store = Store(tmp_path_factory.mktemp("store"))
    out = tmp_path_factory.mktemp("out")
    return StepContext(tiny, tiny, 0, None, out, out / "state", quiet, lambda c, name: stored_export(c, name, store))


@pytest.fixture(scope="module")
def done(context: StepContext) -> StepResult:
    return quantize(context, QuantizeConfig.model_validate({"calibration": SMALL}))


def _int8(path: Path) -> dict[str, bool]:
    return {cost.layer: cost.int8 for cost in node_costs(path) if cost.weights}


def test_convolutions_and_linears_become_int8_and_exempt_ones_do_not(done, context):
    int8 = _int8(done.components["unet"].path)
    block = "down_blocks.0.attentions.0.transformer_blocks.0"
    assert int8["down_blocks.0.resnets.0.conv1"] and int8[f"{block}.attn1.to_q"] and int8[f"{block}.ff.net.2"]
    exempt = {row["layer"] for row in done.report["layers_exempt"]}
    assert {"conv_in", "conv_out", "time_embedding.linear_1", "up_blocks.0.resnets.0.conv_shortcut"} <= exempt
    assert {layer for layer, quantized in int8.items() if not quantized} == exempt
    assert int8.keys() == {c.layer for c in node_costs(context.export(context.parent, "unet")) if c.weights}
    assert done.report["layers_quantized"] == len(int8) - len(exempt)


def test_weights_are_int8_by_channel_and_activations_uint8_by_tensor(done):
    graph = onnx.load(done.components["unet"].path).graph
    shapes = {i.name: (list(i.dims), i.data_type) for i in graph.initializer}
    kinds = Counter()
    for node in graph.node:
        if node.op_type == "DequantizeLinear":
            kind = shapes[node.input[2]][1]
            per_channel = shapes[node.input[1]][0] != []
            kinds[onnx.TensorProto.DataType.Name(kind), per_channel] += 1
    assert set(kinds) == {("INT8", True), ("INT32", True), ("UINT8", False)}


def test_every_node_still_carries_its_layer_and_old_nodes_their_name(done, context):
    before = {node.name for node in onnx.load(context.export(context.parent, "unet")).graph.node}
    after = [node.name for node in onnx.load(done.components["unet"].path).graph.node]
    assert len(set(after)) == len(after)
    assert {layer_of(name) for name in after} == {layer_of(name) for name in before}
    gone = before - set(after)
    assert all(name.rsplit("/", 1)[1].split("#")[0] in ("MatMul", "Add") for name in gone)


def test_attention_products_stay_float(done):
    products = [cost for cost in node_costs(done.components["unet"].path) if not cost.weights]
    assert products and not any(cost.int8 for cost in products)
    assert done.report["int8_share"]["macs_with_attention"] < done.report["int8_share"]["macs"] < 1


def test_the_report_counts_calibration_size_and_agreement(done):
    report = done.report
    assert report["calibration"]["n"] == 1 * 3 * 2  # prompts, timesteps, with and without prompt
    assert len(report["calibration"]["timesteps"]) == 3
    assert report["size_bytes"]["after"] < report["size_bytes"]["before"]
    assert 20 < report["sqnr_db"]["median"] < 60
    assert report["sqnr_db"]["n"] == 2 * 3 * 2


def test_with_no_policy_everything_is_quantized_the_graphs_output_too(context, tmp_path):
    config = QuantizeConfig.model_validate({"calibration": SMALL, "exempt": {"policy": "none"}})
    found = quantize(_in(context, tmp_path), config)
    path = found.components["unet"].path
    onnx.checker.check_model(onnx.load(path))
    assert all(_int8(path).values())
    assert found.report["int8_share"]["macs"] == 1.0
    assert [o.name for o in session(path, 1).get_outputs()] == ["out_sample"]


def test_nncf_quantizes_the_same_layers(context, done, tmp_path):
    config = QuantizeConfig.model_validate({"calibration": SMALL, "backend": "nncf"})
    found = quantize(_in(context, tmp_path), config)
    path = found.components["unet"].path
    assert _int8(path) == _int8(done.components["unet"].path)
    assert found.report["sqnr_db"]["median"] > 15


def test_one_thread_and_two_give_the_same_picture_step(done, tiny):
    inputs = spec(tiny, "unet").seeded()
    one, two = (session(done.components["unet"].path, threads).run(None, inputs)[0] for threads in (1, 2))
    assert np.allclose(one, two, atol=1e-3)


def test_ranges_are_the_extremes_over_all_passes(context, tiny, tmp_path):
    model = context.export(context.parent, "unet")
    name = "conv_in/Conv:0"
    ranges = Ranges(model, [name, "sample"], tmp_path)
    inputs = [spec(tiny, "unet").seeded(seed) for seed in range(3)]
    for each in inputs:
        ranges.run(each)
    low, high = ranges.result()["sample"]
    assert low == min(x["sample"].min() for x in inputs) and high == max(x["sample"].max() for x in inputs)
    assert ranges.passes == 3 and set(ranges.result()) == {name, "sample"}


def test_memory_of_calibration_does_not_grow_with_samples(context, tiny, tmp_path):
    import onnx_ir as ir

    from workbench.compress.qdq import nodes_of, tensors_of

    model = context.export(context.parent, "unet")
    graph = ir.load(model)
    tensors = tensors_of(nodes_of(graph, [cost.layer for cost in node_costs(model)]))
    ranges = Ranges(model, tensors, tmp_path)
    inputs = spec(tiny, "unet").seeded()
    tracemalloc.start()
    for _ in range(50):
        ranges.run(inputs)
    before, _ = tracemalloc.get_traced_memory()
    for _ in range(200):
        ranges.run(inputs)
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    two_numbers_of_each_pass = 200 * len(tensors) * 2 * 4
    assert after - before < two_numbers_of_each_pass / 5


def test_only_the_wanted_timesteps_are_kept_and_the_nearest_is_taken(tiny, context):
    text = context.export(context.parent, "text_encoder")
    trajectory = Trajectory(tiny.source, text, 10, 3.0, timesteps=[980, 30], unconditional=False)
    kept = trajectory.kept()
    assert len(kept) == 2 and kept[0] > 900 and kept[1] < 150
    seen = list(trajectory.walk(["red apple"], 0, lambda inputs, _keep: inputs["sample"]))
    assert [int(x["timestep"][0]) for x in seen] == kept


@pytest.mark.parametrize(
    "config",
    [
        {"scheme": "w8a9"},
        {"exempt": {"policy": "nvidea"}},
        {"exempt": {"patterns": ["("]}},
        {"calibration": {"prompts": 0}},
        {"calibration": {"timesteps": [1000]}},
        {"calibration": {"promts": 1}},
    ],
)
def test_bad_settings_are_refused_by_the_schema(config):
    with pytest.raises(ValidationError):
        QuantizeConfig.model_validate(config)


def test_policies_offered_by_the_schema_are_those_there_are():
    offered = QuantizeConfig.model_json_schema()["$defs"]["Exempt"]["properties"]["policy"]["enum"]
    assert offered == list(POLICIES)


def _in(context: StepContext, out: Path) -> StepContext:
    import dataclasses

    return dataclasses.replace(context, out=out, state=out / "state")
