"""The U-Net of another model: what is taken, and which models are refused."""

from __future__ import annotations

import json
import shutil

import pytest
import torch

from workbench.compress.registry import StepContext
from workbench.compress.replace_unet import ReplaceUnetConfig, replace_unet
from workbench.errors import InputError
from workbench.models.unet import load_unet, save_unet
from workbench.progress import quiet


@pytest.fixture
def tiny(own_tiny):
    return own_tiny


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
        ("vae/config.json", "scaling_factor", 0.5),
        ("scheduler/scheduler_config.json", "prediction_type", "sample"),
        ("scheduler/scheduler_config.json", "beta_end", 0.02),
    ],
)
def test_a_model_whose_latents_mean_something_else_is_refused_before_any_work(tiny, tmp_path, file, key, value):
    other = tmp_path / "other"
    shutil.copytree(tiny.source, other)
    config = json.loads((other / file).read_text())
    (other / file).write_text(json.dumps({**config, key: value}))
    problems = list(ReplaceUnetConfig(model=str(other)).check_model(tiny.source))
    assert len(problems) == 1 and f"{key} {value} instead of {config[key]}" in problems[0][1]


def test_what_a_config_leaves_out_is_what_diffusers_takes_for_it(tiny, tmp_path):
    """Stable Diffusion's own configs leave out what later ones spell out: the same latents all the same."""
    first, other = tmp_path / "first", tmp_path / "other"
    for folder, more in ((first, {}), (other, {"prediction_type": "epsilon", "num_train_timesteps": 1000})):
        shutil.copytree(tiny.source, folder)
        file = folder / "scheduler" / "scheduler_config.json"
        config = json.loads(file.read_text())
        for key in ("prediction_type", "num_train_timesteps"):
            config.pop(key)
        file.write_text(json.dumps(config | more))
    assert list(ReplaceUnetConfig(model=str(other)).check_model(first)) == []
