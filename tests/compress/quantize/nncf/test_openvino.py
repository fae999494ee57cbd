"""The step ``quantize`` with the backend ``openvino``: what becomes int8, whose name it keeps, what is reported."""

from __future__ import annotations

import dataclasses
import importlib.util
from pathlib import Path

import onnx
import pytest

from workbench.compress.quantize.step import QuantizeConfig, quantize
from workbench.compress.registry import StepContext
from workbench.graphs.costs import node_costs
from workbench.measure.sqnr import sqnr_db
from workbench.models.candidate import Candidate
from workbench.progress import quiet
from workbench.recipe.hooks import ChecksDenoiser
from workbench.runtimes.load import runner
from workbench.runtimes.onnxruntime.session import session
from workbench.runtimes.openvino.format import costs as openvino_costs
from workbench.store.processor import int8_overflows


@pytest.fixture(scope="module")
def context(tiny, shared, tmp_path_factory) -> StepContext:
    out = tmp_path_factory.mktemp("out")
    return StepContext(tiny, tiny, 0, None, out, out / "state", quiet, shared.export)


@pytest.fixture(scope="module")
def done(context):
    wanted = {"backend": "openvino", "calibration": {"prompts": 1, "steps": 2}}
    return quantize(context, QuantizeConfig.model_validate(wanted))


def test_the_component_is_openvinos_and_its_weights_lie_beside_it(done):
    unet = done.components["unet"]
    assert (unet.kind, unet.scheme, unet.path.name) == ("openvino", "w8a8", "model.xml")
    assert unet.path.with_suffix(".bin").is_file()


def test_such_a_candidate_has_left_torch(context, done):
    left = Candidate("w8a8", "key", context.base.source, {**context.base.components, **done.components})
    assert left.leaves_torch and not context.base.leaves_torch


def test_exempt_layers_stay_float_and_every_product_keeps_its_name(context, done):
    before = {cost.node: cost for cost in node_costs(context.export(context.parent, "unet"))}
    after = {cost.node: cost for cost in openvino_costs(done.components["unet"].path)}
    assert {n: (c.layer, c.macs, c.weights) for n, c in after.items()} == {
        n: (c.layer, c.macs, c.weights) for n, c in before.items()
    }
    exempt = {row["layer"] for row in done.report["components"]["unet"]["layers_exempt"]}
    assert {"conv_in", "conv_out", "time_embedding.linear_1"} <= exempt
    assert {c.layer for c in after.values() if c.weights and not c.int8} == exempt
    assert not any(c.int8 for c in after.values() if not c.weights)  # products of attention


def test_the_report_says_what_was_found_in_the_written_file(context, done):
    report, files = done.report["components"]["unet"], sorted(done.components["unet"].path.parent.iterdir())
    assert [file.name for file in files] == ["model.bin", "model.xml"]
    assert done.report["backend"] == "openvino" and report["calibration"]["method"] == "nncf"
    assert report["weight_bits_used"] == (7 if int8_overflows() else 8)
    assert report["calibration"]["n"] == 1 * 2 * 2  # prompts, timesteps, with and without prompt
    assert report["size_bytes"]["after"] == sum(file.stat().st_size for file in files)
    costs = [c for c in openvino_costs(done.components["unet"].path) if c.weights]
    assert report["int8_share"]["macs"] == sum(c.macs for c in costs if c.int8) / sum(c.macs for c in costs)
    assert report["sqnr_db"]["n"] == 2 * 2 * 2 and 15 < report["sqnr_db"]["median"] < 60


def test_it_runs_and_differs_from_float_by_quantization_alone(context, done):
    feed = context.base.spec("unet").seeded()
    exact = session(context.export(context.parent, "unet"), 1).run(None, feed)[0]
    found = runner(done.components["unet"].path, 1).run(None, feed)[0]
    assert found.shape == exact.shape and 10 < sqnr_db(exact, found) < 60


def test_a_recipe_that_asks_for_it_is_refused_where_it_is_not_installed(monkeypatch):
    config = QuantizeConfig.model_validate({"backend": "openvino"})
    assert isinstance(config, ChecksDenoiser) and list(config.check({}, ["base"])) == []
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "openvino" else object())
    [(key, sentence)] = config.check({}, ["base"])
    assert key == "backend" and "not installed" in sentence and "pip install" in sentence
    assert list(QuantizeConfig().check({}, ["base"])) == []


def test_a_parent_whose_weights_lie_beside_it_is_quantized_too(context, tmp_path):
    """Exports of full-size models are such files; ONNX's own quantizer looks for the weights in the wrong folder."""
    apart = tmp_path / "parent" / "model.onnx"
    apart.parent.mkdir()
    model = onnx.load(context.export(context.parent, "unet"))
    onnx.save(model, apart, save_as_external_data=True, location="model.onnx.data", size_threshold=1024)

    def export(candidate: Candidate, component: str) -> Path:
        return apart if component == "unet" else context.export(candidate, component)

    elsewhere = dataclasses.replace(context, out=tmp_path, state=tmp_path / "state", export=export)
    found = quantize(elsewhere, QuantizeConfig.model_validate({"calibration": {"prompts": 1, "steps": 2}}))
    report = found.report["components"]["unet"]
    assert report["int8_share"]["macs"] > 0.9 and report["sqnr_db"]["median"] > 15
    weights = sum(file.stat().st_size for file in apart.parent.iterdir())
    assert report["size_bytes"]["before"] == weights > report["size_bytes"]["after"]
