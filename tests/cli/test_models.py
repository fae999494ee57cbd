"""Models as users name them to verbs: the same sentence from every verb where one can't be used."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.fixtures.command import workbench
from tests.models.intake.files import UNET, V1, checkpoint, lora, with_unet

VERBS = {
    "check": ["check", "r.yaml"],
    "run": ["run", "r.yaml"],
    "sample": ["sample", "r.yaml", "--candidate", "base", "--prompt", "a cat", "-o", "cat.png"],
    "profile": ["profile", "m"],
    "count": ["count", "m"],
    "compare": ["compare", "m", "m", "--component", "unet"],
    "schemes": ["schemes", "--model", "m"],
}


def inpainting(source: Path) -> str:
    with_unet(source, **V1, in_channels=9)
    return "unet/config.json: in_channels: found 9; needs the 4 of the decoder"


def of_two_encoders(source: Path) -> str:
    index = json.loads((source / "model_index.json").read_text())
    index["text_encoder_2"] = ["transformers", "CLIPTextModelWithProjection"]
    (source / "model_index.json").write_text(json.dumps(index))
    return "model_index.json: text_encoder_2: pipelines with two text encoders can't be read"


def of_a_transformer(source: Path) -> str:
    index = json.loads((source / "model_index.json").read_text())
    index["transformer"] = ["diffusers", index.pop("unet") and "FluxTransformer2DModel"]
    (source / "model_index.json").write_text(json.dumps(index))
    return "model_index.json: transformer: pipelines whose denoiser is a transformer can't be read"


def without_autoencoder(source: Path) -> str:
    shutil.rmtree(source / "vae")
    return "vae: missing; model_index.json lists it as diffusers.AutoencoderKL"


def with_a_tensor_of_another_shape(source: Path) -> str:
    tensors = load_file(source / UNET)
    save_file(tensors | {"conv_out.bias": torch.zeros(5)}, source / UNET)
    return "doesn't fit the weights beside it: conv_out.bias should be (4,), found (5,) (1 of"


def pickled(source: Path) -> str:
    (source / UNET).rename((source / UNET).with_suffix(".bin"))
    return "diffusion_pytorch_model.bin: pickled weights can run code and aren't read"


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize(
    "broken",
    [inpainting, of_two_encoders, of_a_transformer, without_autoencoder, with_a_tensor_of_another_shape, pickled],
)
def test_a_model_that_cannot_be_used_is_refused_in_one_sentence_by_every_verb(verb, broken, own_tiny, tmp_path):
    folder = own_tiny.source.rename(tmp_path / "m")
    told = broken(folder)
    (tmp_path / "r.yaml").write_text("version: 1\nname: x\nmodel: m\n")
    done = workbench(*VERBS[verb], "--store", "store", cwd=tmp_path)
    assert done.exit_code == 2 and done.stdout == "" and " m/" in done.stderr
    assert told in done.stderr and len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "store" / "results").exists()


def test_a_lora_or_a_single_file_of_another_family_given_as_a_model_is_refused_too(own_tiny, tmp_path):
    lora(own_tiny.source, tmp_path / "m.safetensors")
    save_file({"double_blocks.0.x": torch.zeros(1)}, tmp_path / "flux.safetensors")
    for name, told in {
        "m": "holds a LoRA, not a model",
        "flux": "holds Flux; needs one of Stable Diffusion 1 or 2",
    }.items():
        for verb in ("profile", "count"):
            done = workbench(verb, f"{name}.safetensors", "--store", "store", cwd=tmp_path)
            assert done.exit_code == 2 and told in done.stderr and len(done.stderr.splitlines()) == 1


def test_a_picture_is_drawn_by_a_single_file_with_a_lora(own_tiny, tmp_path):
    source = own_tiny.source
    with_unet(source, **V1)
    save_file(checkpoint(source), tmp_path / "tuned.safetensors")
    lora(source, tmp_path / "lcm.safetensors")
    model = "{path: tuned.safetensors, config: tiny, loras: [{path: lcm.safetensors}], scheduler: LCMScheduler}"
    text = f"version: 1\nname: x\nmodel: {model}\nevaluate: {{steps: 2, guidance_scale: 1.0}}\n"
    (tmp_path / "r.yaml").write_text(text)
    wanted = ["--candidate", "base", "--prompt", "a cat", "-o", "cat.png", "--store", "store"]
    done = workbench("sample", "r.yaml", *wanted, cwd=tmp_path)
    assert done.exit_code == 0 and (tmp_path / "cat.png").stat().st_size > 100
