"""OpenVINO candidates as openvino_genai reads them: integers stay integers, the real client draws as the run did."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import openvino
import pytest
import torch

from tests.release.drawn import agreement
from workbench.compress.distill.consistency import with_guidance
from workbench.compress.quantize.step import QuantizeConfig, quantize
from workbench.compress.registry import StepContext
from workbench.errors import InputError
from workbench.models.candidate import Candidate, Component
from workbench.models.unet import load_unet, save_unet
from workbench.progress import quiet
from workbench.release.layouts import layout_of
from workbench.release.layouts.base import Order
from workbench.runtimes.openvino.session import read_model


@pytest.fixture(scope="module")
def quantized(tiny: Candidate, shared, tmp_path_factory) -> Candidate:
    out = tmp_path_factory.mktemp("out")
    context = StepContext(tiny, tiny, 0, None, out, out / "state", quiet, shared.export)
    wanted = {"backend": "openvino", "calibration": {"prompts": 1, "steps": 2}}
    done = quantize(context, QuantizeConfig.model_validate(wanted))
    return replace(tiny, name="w8a8", components={**tiny.components, **done.components})


@pytest.fixture(scope="module")
def files(quantized: Candidate, shared) -> dict[str, Path]:
    return {name: shared.export(quantized, name) for name in quantized.components}


def integers(file: Path) -> int:
    """Bytes of constants in integers of 8 bits."""
    constants = (node for node in read_model(file).get_ops() if node.get_type_name() == "Constant")
    return sum(one.get_byte_size() for one in constants if one.get_element_type().to_string() in ("i8", "u8"))


def test_openvino_genai_draws_what_the_run_drew(quantized, files, tmp_path):
    found = agreement(quantized, files, tmp_path / "out")
    assert min(db or 99 for db in found["apart_db"]) > 30
    assert set(found["client"]) == {"openvino-genai", "openvino-tokenizers", "openvino"}
    unet = tmp_path / "out" / "unet" / "openvino_model.xml"
    assert integers(unet) == integers(files["unet"]) > 0
    model = openvino.Core().read_model(unet)
    assert model.input("timestep").get_element_type().to_string() == "i64"
    assert [port.get_partial_shape()[0].is_dynamic for port in model.inputs] == [True, False, True]
    assert str(tmp_path) not in unet.read_text()


def test_a_student_of_few_steps_is_drawn_where_it_predicts_noise_and_else_refused(own_tiny, shared, tmp_path):
    unet = with_guidance(load_unet(own_tiny.components["unet"].path), 256)
    torch.nn.init.normal_(unet.time_embedding.cond_proj.weight, std=0.1)
    save_unet(unet, tmp_path / "unet", None)
    few = replace(own_tiny.with_denoiser(tmp_path / "unet"), name="few", steps=2)
    files = {name: shared.export(few, name) for name in few.components}
    openvino.save_model(read_model(files["unet"]), tmp_path / "unet.xml", compress_to_fp16=False)
    files["unet"] = tmp_path / "unet.xml"
    part = Component("unet", "openvino", files["unet"])
    few = replace(few, components={**few.components, "unet": part}, configs={"unet": tmp_path / "unet"})
    with pytest.raises(InputError, match="predictions of epsilon only"):
        layout_of(few).write(Order(few, files), tmp_path / "refused")
    scheduler = own_tiny.source / "scheduler" / "scheduler_config.json"
    own = json.loads(scheduler.read_text())
    scheduler.write_text(json.dumps({**own, "prediction_type": "epsilon", "rescale_betas_zero_snr": False}))
    assert min(db or 99 for db in agreement(few, files, tmp_path / "out", steps=2)["apart_db"]) > 40


def test_float_components_stay_float32(quantized, files, tmp_path):
    layout_of(quantized).write(Order(quantized, files), tmp_path / "out")
    kinds = {
        node.get_element_type().to_string()
        for node in openvino.Core().read_model(tmp_path / "out" / "vae_decoder" / "openvino_model.xml").get_ops()
        if node.get_type_name() == "Constant"
    }
    assert "f32" in kinds and "f16" not in kinds


@pytest.mark.parametrize(
    ("scheduler", "says"),
    [
        ({"_class_name": "DEISMultistepScheduler"}, "its scheduler is DEISMultistepScheduler; openvino_genai has DDIM"),
        ({"timestep_spacing": "leading"}, None),
    ],
)
def test_what_the_client_hasnt_is_said_before_anything_is_written(own_tiny, files, tmp_path, scheduler, says):
    file = own_tiny.source / "scheduler" / "scheduler_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **scheduler}))
    components = {**own_tiny.components, "unet": Component("unet", "openvino", files["unet"], "w8a8")}
    candidate, out = replace(own_tiny, components=components), tmp_path / "out"
    if says is None:
        layout_of(candidate).write(Order(candidate, files), out)
        assert (out / "tokenizer" / "openvino_tokenizer.xml").is_file()
        return
    with pytest.raises(InputError, match=says):
        layout_of(candidate).write(Order(candidate, files), out)
    assert not out.exists()
