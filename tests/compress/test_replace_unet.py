"""The U-Net of another model: what is taken, and which models are refused."""

from __future__ import annotations

import json
import shutil

import pytest
import tiny_pipeline
import torch

from workbench.compress.registry import StepContext
from workbench.compress.replace_unet import ReplaceUnetConfig, replace_unet
from workbench.errors import InputError
from workbench.models.sources import demo_folder
from workbench.models.unet import load_unet, save_unet
from workbench.progress import quiet


@pytest.fixture
def tiny(tmp_path):
    return tiny_pipeline.make(tmp_path / "tiny", demo_folder())


def context(candidate, out) -> StepContext:
    return StepContext(candidate, candidate, 0, None, out, out / "state", quiet, lambda *_: out)


def other_weights(candidate, folder):
    unet = load_unet(candidate.components["unet"].path)
    with torch.no_grad():
        unet.conv_out.bias += 1
    save_unet(unet.half(), folder, None)


def test_the_other_models_weights_are_taken(tiny, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(tiny.source, other)
    shutil.rmtree(other / "unet")
    other_weights(tiny, other / "unet")
    config = ReplaceUnetConfig(model=str(other))
    found = replace_unet(context(tiny, tmp_path / "out"), config).components["unet"]
    before, after = load_unet(tiny.components["unet"].path), load_unet(found.path)
    assert torch.allclose(after.conv_out.bias, before.conv_out.bias + 1, atol=1e-3)
    assert after.dtype == torch.float32, "it is computed in float32 however it is stored"


def test_a_student_that_the_demo_brings_goes_by_its_name(tiny, tmp_path, monkeypatch):
    monkeypatch.setenv("WORKBENCH_DEMO", str(tiny.source))
    other_weights(tiny, tiny.source / "students" / "few")
    found = replace_unet(context(tiny, tmp_path / "out"), ReplaceUnetConfig(model="demo:few")).components["unet"]
    assert (load_unet(found.path).conv_out.bias - load_unet(tiny.source / "unet").conv_out.bias).mean() > 0.9
    with pytest.raises(InputError, match="did you mean demo:few"):
        ReplaceUnetConfig(model="demo:fe").files()


def test_without_students_the_demo_says_so(tiny, monkeypatch):
    monkeypatch.setenv("WORKBENCH_DEMO", str(tiny.source))
    with pytest.raises(InputError, match="brings none"):
        ReplaceUnetConfig(model="demo:few").files()


@pytest.mark.parametrize(
    ("file", "key", "value"),
    [
        ("unet/config.json", "in_channels", 9),
        ("vae/config.json", "scaling_factor", 0.5),
        ("scheduler/scheduler_config.json", "prediction_type", "sample"),
    ],
)
def test_a_model_whose_latents_mean_something_else_is_refused(tiny, tmp_path, file, key, value):
    other = tmp_path / "other"
    shutil.copytree(tiny.source, other)
    config = json.loads((other / file).read_text())
    (other / file).write_text(json.dumps({**config, key: value}))
    with pytest.raises(InputError, match=f"{key} is .*latents mean something else"):
        replace_unet(context(tiny, tmp_path / "out"), ReplaceUnetConfig(model=str(other)))
    assert not (tmp_path / "out" / "unet").exists()
