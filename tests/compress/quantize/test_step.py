"""The step ``quantize``: what becomes int8, what stays, and what the report says of it."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import pytest
from pydantic import ValidationError

from tests.fixtures import tiny_pipeline
from tests.fixtures.shared import Shared
from workbench.compress.quantize.calibration.trajectory import Trajectory
from workbench.compress.quantize.config import QuantizeConfig
from workbench.compress.quantize.step import quantize
from workbench.compress.registry import StepContext, StepResult
from workbench.errors import InputError
from workbench.export.stored import stored_export
from workbench.graphs.costs import node_costs
from workbench.graphs.names import layer_of
from workbench.models.candidate import Candidate
from workbench.models.families.stable_diffusion.policies import POLICIES
from workbench.models.sources import demo_folder
from workbench.progress import quiet
from workbench.runtimes.onnxruntime.session import session, simulated
from workbench.store.store import Store

SMALL = {"prompts": 1, "steps": 3}


@pytest.fixture(scope="module")
def context(tiny: Candidate, shared: Shared, tmp_path_factory: pytest.TempPathFactory) -> StepContext:
    out = tmp_path_factory.mktemp("out")
    return StepContext(tiny, tiny, 0, None, out, out / "state", quiet, shared.export)


@pytest.fixture(scope="module")
def done(context: StepContext) -> StepResult:
    return quantize(context, QuantizeConfig.model_validate({"calibration": SMALL}))


def _int8(path: Path) -> dict[str, bool]:
    return {cost.layer: cost.int8 for cost in node_costs(path) if cost.weights}


def test_convolutions_and_linears_become_int8_and_exempt_ones_do_not(done, context):
    int8 = _int8(done.components["unet"].path)
    block = "down_blocks.0.attentions.0.transformer_blocks.0"
    assert int8["down_blocks.0.resnets.0.conv1"] and int8[f"{block}.attn1.to_q"] and int8[f"{block}.ff.net.2"]
    exempt = {row["layer"] for row in done.report["components"]["unet"]["layers_exempt"]}
    assert {"conv_in", "conv_out", "time_embedding.linear_1", "up_blocks.0.resnets.0.conv_shortcut"} <= exempt
    assert {layer for layer, quantized in int8.items() if not quantized} == exempt
    assert int8.keys() == {c.layer for c in node_costs(context.export(context.parent, "unet")) if c.weights}
    assert done.report["components"]["unet"]["layers_quantized"] == len(int8) - len(exempt)


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
    assert (
        done.report["components"]["unet"]["int8_share"]["macs_with_attention"]
        < done.report["components"]["unet"]["int8_share"]["macs"]
        < 1
    )


def test_the_report_counts_calibration_size_and_agreement(done):
    report = done.report["components"]["unet"]
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
    assert found.report["components"]["unet"]["int8_share"]["macs"] == 1.0
    assert [o.name for o in session(path, 1).get_outputs()] == ["out_sample"]


def test_nncf_quantizes_the_same_layers(context, done, tmp_path):
    config = QuantizeConfig.model_validate({"calibration": SMALL, "backend": "nncf"})
    found = quantize(_in(context, tmp_path), config)
    path = found.components["unet"].path
    assert _int8(path) == _int8(done.components["unet"].path)
    assert found.report["components"]["unet"]["sqnr_db"]["median"] > 15


def test_one_thread_and_two_give_the_same_picture_step(done, tiny):
    inputs = tiny.spec("unet").seeded()
    one, two = (session(done.components["unet"].path, threads).run(None, inputs)[0] for threads in (1, 2))
    assert np.allclose(one, two, atol=1e-3)


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
    offered = QuantizeConfig.model_json_schema()["$defs"]["Exempt"]["properties"]["policy"]["anyOf"][0]["enum"]
    assert offered == list(POLICIES)


def _quantized(context: StepContext, out: Path, **config: object) -> tuple[StepResult, dict]:
    found = quantize(_in(context, out), QuantizeConfig.model_validate({"calibration": SMALL, **config}))
    return found, found.report["components"]


def _kinds(path: Path) -> Counter[str]:
    """Constants by type, without the zero points of weights."""
    constants = (i for i in onnx.load(path).graph.initializer if not i.name.endswith(":zero"))
    return Counter(onnx.TensorProto.DataType.Name(i.data_type) for i in constants)


def test_w8a16_has_int8_weights_and_uint16_activations_and_exempts_nothing(context, tmp_path):
    found, report = _quantized(context, tmp_path, scheme="w8a16")
    path = found.components["unet"].path
    kinds = _kinds(path)
    assert kinds["INT8"] == report["unet"]["layers_quantized"] and kinds["UINT16"] > 10 and not kinds["UINT8"]
    assert report["unet"]["layers_exempt"] == [] and report["unet"]["int8_share"]["macs"] == 0
    assert report["unet"]["sqnr_db"]["mean"] > 20
    assert simulated(path)


def test_w4a16_packs_groups_of_4_bits_and_uses_the_packed_product_where_it_can(context, tmp_path):
    found, report = _quantized(context, tmp_path, scheme="w4a16", exempt={"policy": "none"})
    path = found.components["unet"].path
    graph = onnx.load(path).graph
    ops = Counter(node.op_type for node in graph.node)
    linears = {c.layer for c in node_costs(path) if c.weights and c.op == "MatMulNBits"}
    assert ops["MatMulNBits"] == len(linears) > 10 and ops["DequantizeLinear"] == 0
    assert _kinds(path)["INT4"] >= ops["Conv"]
    weights = sum(c.weights for c in node_costs(context.export(context.parent, "unet")))
    stored = sum(len(i.raw_data) for i in graph.initializer)
    assert stored < 1.35 * weights * (4 + 16 / 16) / 8  # 4 bits and a half-precision scale for every 16 at worst
    assert not simulated(path) and report["unet"]["sqnr_db"]["mean"] > 8


def test_weights_unpacked_in_every_pass_give_the_same_numbers_as_at_load(context, tmp_path):
    at_load, _ = _quantized(context, tmp_path / "a", scheme="w4a16", rounding="nearest")
    each, _ = _quantized(context, tmp_path / "b", scheme="w4a16", rounding="nearest", unpack="pass")
    inputs = context.parent.spec("unet").seeded()
    one, other = (session(f.components["unet"].path, 1).run(None, inputs)[0] for f in (at_load, each))
    assert np.allclose(one, other, atol=1e-4)


@pytest.mark.parametrize("component", ["text_encoder", "vae_decoder"])
@pytest.mark.parametrize("scheme", ["fp16", "w8a8", "w4a16"])
def test_the_other_components_take_schemes_too(context, tmp_path, component, scheme):
    found, report = _quantized(context, tmp_path, scheme=scheme, components=[component])
    assert set(found.components) == {component} and found.components[component].scheme == scheme
    assert report[component]["sqnr_db"]["mean"] > (40 if scheme == "fp16" else 10)
    if (component, scheme) != ("text_encoder", "w8a8"):  # whose few weights here are outweighed by the nodes added
        assert report[component]["size_bytes"]["after"] < report[component]["size_bytes"]["before"]


def test_each_way_of_rounding_to_four_bits_is_nearer_than_the_one_before(tmp_path):
    """Wide enough that four bits hurt, and calibrated on more inputs than a layer is wide."""
    wide = tiny_pipeline.make(tmp_path / "wide", demo_folder(), widths=(48, 96))
    store, out = Store(tmp_path / "store"), tmp_path / "out"
    own = StepContext(wide, wide, 0, None, out, out / "state", quiet, lambda c, name: stored_export(c, name, store))
    ways, db = ("nearest", "mse", "gptq"), []
    for rounding in ways:
        settings = {"scheme": "w4a16", "rounding": rounding, "calibration": {"prompts": 4, "steps": 3}}
        _, report = _quantized(own, tmp_path / rounding, **settings)
        db.append(report["unet"]["sqnr_db"]["mean"])
    assert db == sorted(db), dict(zip(ways, db, strict=True))


def test_the_special_cases_of_diffusion_are_told_and_still_run(context, tmp_path):
    exempt = {"policy": "none", "shortcut_split": True, "first_token": True, "attention": "quantized"}
    found, report = _quantized(context, tmp_path, exempt={**exempt, "softmax_bits": 16})
    told = report["unet"]
    assert told["shortcuts_split"] and told["first_token_float"] and told["attention_products"]
    assert told["sqnr_db"]["mean"] > 15
    onnx.checker.check_model(onnx.load(found.components["unet"].path))


def test_training_ends_in_the_form_of_ptq(context, tmp_path):
    settings = {"steps": 2, "batch": 2}
    plain, _ = _quantized(context, tmp_path / "a", scheme="w4a8")
    data = dataclasses.replace(context, data="demo")
    found, report = _quantized(data, tmp_path / "b", scheme="w4a8", method="qat", qat=settings)
    before, after = (onnx.load(f.components["unet"].path).graph for f in (plain, found))
    assert [(n.name, n.op_type) for n in before.node] == [(n.name, n.op_type) for n in after.node]
    kinds = [_kinds(f.components["unet"].path) for f in (plain, found)]
    for counts in kinds:
        del counts["FLOAT"]  # equal constants are stored once, and untrained biases are all zero
    assert kinds[0] == kinds[1]
    assert found.report["training"]["steps"] == 2 and report["unet"]["sqnr_db"]["mean"] > 5


UNET = json.loads((demo_folder() / "unet" / "config.json").read_text())
REFUSED = {
    "nncf makes no w4a16": ({"scheme": "w4a16", "backend": "nncf"}, "backend", "needs onnxruntime or openvino"),
    "group of w8a8": ({"group_size": 64}, "group_size", "needs per_channel"),
    "group and per channel": (
        {"scheme": "w4a16", "granularity": "per_channel", "group_size": 64},
        "group_size",
        "granularity is per_channel",
    ),
    "group that doesn't divide": ({"scheme": "w4a16", "group_size": 64}, "group_size", "16, 8 would, or leave it out"),
    "pattern of nothing": ({"exempt": {"patterns": ["conv_inn"]}}, "exempt.patterns.0", "the nearest is conv_in"),
    "qat of fp16": ({"scheme": "fp16", "method": "qat"}, "method", "nothing to train"),
    "qat of the decoder": ({"method": "qat", "components": ["vae_decoder"]}, "method", "needs the denoiser alone"),
    "qat settings of ptq": ({"qat": {"steps": 3}}, "qat", "needs method: qat"),
    "special case of weights": ({"scheme": "w4a16", "exempt": {"first_token": True}}, "exempt.first_token", "leave it"),
    "unpack of w8a8": ({"unpack": "pass"}, "unpack", "w4a16's"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_does_not_go_together_is_said_before_any_work(case):
    settings, key, words = REFUSED[case]
    found = list(QuantizeConfig.model_validate(settings).check(UNET, ["base"]))
    assert [where for where, _ in found] == [key] and words in found[0][1]


def test_no_layer_left_is_one_clear_error(context, tmp_path):
    with pytest.raises(InputError, match="nothing is left"):
        _quantized(context, tmp_path, exempt={"patterns": ["."]})


def _in(context: StepContext, out: Path) -> StepContext:
    return dataclasses.replace(context, out=out, state=out / "state")
