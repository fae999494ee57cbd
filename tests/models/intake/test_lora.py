"""LoRAs on top of a model: as diffusers adds them, in every form, or refused from their headers in a sentence."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.models.intake.files import (
    ATTENTION,
    TEXT_LAYERS,
    UNET_LAYERS,
    V1,
    V2,
    dotted,
    factors,
    first,
    header_only,
    kohya,
    lora,
    peft,
    state,
    with_unet,
)
from workbench.errors import InputError
from workbench.models.families.stable_diffusion import FAMILY
from workbench.models.folder import inspect_folder
from workbench.models.intake.model import Lora, Model
from workbench.models.sources import look, resolve

WHOLE = {"unet": UNET_LAYERS, "text_encoder": TEXT_LAYERS}


@pytest.fixture
def source(own_tiny) -> Path:
    """A small pipeline of SD-v1's kind."""
    with_unet(own_tiny.source, **V1)
    return own_tiny.source


def model(source: Path, *loras: tuple[Path, float], **more: Any) -> Model:
    return Model(path=str(source), loras=[Lora(path=str(file), scale=scale) for file, scale in loras], **more)


def fused_by_diffusers(source: Path, *loras: tuple[Path, float]) -> dict[str, dict[str, torch.Tensor]]:
    """The networks with LoRAs added by diffusers' own loader, one after another."""
    from diffusers.loaders import StableDiffusionLoraLoaderMixin

    class Pair(StableDiffusionLoraLoaderMixin):
        hf_device_map, components = None, {}

        def __init__(self) -> None:
            self.unet = FAMILY.part("unet").net(source / "unet")
            self.text_encoder = FAMILY.part("text_encoder").net(source / "text_encoder")

    pair = Pair()
    for i, (file, scale) in enumerate(loras):
        pair.load_lora_weights(str(file), adapter_name=f"lora{i}", local_files_only=True)
        pair.fuse_lora(adapter_names=[f"lora{i}"], lora_scale=scale)
        pair.unload_lora_weights()
    return {"unet": pair.unet.state_dict(), "text_encoder": pair.text_encoder.state_dict()}


def difference(a: Mapping[str, torch.Tensor], b: Mapping[str, torch.Tensor]) -> float:
    assert a.keys() == b.keys()
    return max((a[name].float() - b[name].float()).abs().max().item() for name in a)


FORMS: dict[str, tuple[Callable[..., Any], dict[str, tuple[str, ...]], dict[str, Any] | None]] = {
    "kohya": (kohya, WHOLE, None),
    "LCM-LoRA": (kohya, {"unet": UNET_LAYERS}, None),
    "PEFT": (peft, {"unet": ATTENTION, "text_encoder": TEXT_LAYERS[:4]}, None),
    "PEFT with convolutions": (peft, {"unet": UNET_LAYERS}, None),
    "diffusers": (dotted, {"unet": ATTENTION}, None),
    "diffusers' first": (first, {"unet": ATTENTION}, None),
}


@pytest.mark.parametrize(("form", "which", "metadata"), FORMS.values(), ids=FORMS)
def test_a_lora_is_added_as_diffusers_adds_it(form, which, metadata, source, tmp_path, store):
    file = lora(source, tmp_path / "l.safetensors", form, which, metadata)
    made = resolve(model(source, (file, 0.7)), store)
    theirs, before, after = fused_by_diffusers(source, (file, 0.7)), state(source), state(made)
    for folder in ("unet", "text_encoder"):
        assert difference(after[folder], theirs[folder]) <= 1e-5
        assert (difference(after[folder], before[folder]) > 1e-3) == (folder in which)
    assert difference(after["vae"], before["vae"]) == 0 and inspect_folder(made) == []


@pytest.mark.parametrize("more", [{}, {"use_rslora": True}, {"alpha_pattern": {"attn1.to_q": 9.0}}])
def test_what_diffusers_writes_into_the_metadata_is_heeded(more, source, tmp_path, store):
    settings = {"r": 3, "lora_alpha": 6.0, "target_modules": list(ATTENTION), **more}
    metadata = {f"unet.{key}": value for key, value in settings.items()}
    file = lora(source, tmp_path / "l.safetensors", peft, {"unet": ATTENTION}, metadata)
    made = state(resolve(model(source, (file, 1.0)), store))["unet"]
    assert difference(made, fused_by_diffusers(source, (file, 1.0))["unet"]) <= 1e-5
    plain = lora(source, tmp_path / "plain.safetensors", peft, {"unet": ATTENTION})
    assert difference(made, state(resolve(model(source, (plain, 1.0)), store))["unet"]) > 1e-3


def test_several_are_added_in_order_and_each_by_its_own_scale(source, tmp_path, store):
    one = (lora(source, tmp_path / "one.safetensors"), 0.5)
    two = (lora(source, tmp_path / "two.safetensors", peft, {"unet": ATTENTION}), -1.5)
    made = state(resolve(model(source, one, two), store))
    assert difference(made["unet"], fused_by_diffusers(source, one, two)["unet"]) <= 1e-5
    assert resolve(model(source, one, two), store) != resolve(model(source, one, (two[0], 1.5)), store)


def test_half_of_a_text_encoder_is_added_too(source, tmp_path, store):
    """diffusers 0.42 drops these without a word."""
    which = {"text_encoder": ("q_proj",)}
    made = state(resolve(model(source, (lora(source, tmp_path / "l.safetensors", kohya, which), 1.0)), store))
    for (_, layer), (down, up) in factors(source, which).items():
        name = f"{layer}.weight"
        change = made["text_encoder"][name] - state(source)["text_encoder"][name]
        assert torch.allclose(change, up @ down * 2 / 3, atol=1e-6)


def test_of_weights_in_half_precision_only_those_that_change_become_float32(source, tmp_path, store):
    file = lora(source, tmp_path / "l.safetensors", kohya, {"unet": ATTENTION})
    for weights in source.glob("*/*.safetensors"):
        if weights.parent.name in ("unet", "vae", "text_encoder"):
            save_file({k: v.half() for k, v in load_file(weights).items()}, weights, {"format": "pt"})
    made = state(resolve(model(source, (file, 1.0)), store))["unet"]
    single = {name for name, value in made.items() if value.dtype == torch.float32}
    assert single == {f"{layer}.weight" for _, layer in factors(source, {"unet": ATTENTION})}
    assert difference(made, fused_by_diffusers(source, (file, 1.0))["unet"]) <= 1e-5


def test_an_lcm_lora_is_drawn_by_its_scheduler(source, tmp_path, store):
    file = lora(source, tmp_path / "lcm.safetensors", kohya, {"unet": ATTENTION})
    made = resolve(model(source, (file, 1.0), scheduler="LCMScheduler"), store)
    before, after = (json.loads((f / "scheduler" / "scheduler_config.json").read_text()) for f in (source, made))
    assert after == before | {"_class_name": "LCMScheduler"}
    assert json.loads((made / "model_index.json").read_text())["scheduler"] == ["diffusers", "LCMScheduler"]


def test_a_lora_may_lie_on_what_is_made_itself_and_looking_writes_nothing(source, tmp_path, store):
    from tests.models.intake.files import checkpoint

    file, base = lora(source, tmp_path / "l.safetensors"), tmp_path / "base.safetensors"
    save_file(checkpoint(source), base)
    asked = Model(path=str(base), config=str(source), loras=[Lora(path=str(file))])
    with look(asked) as folder:
        assert (folder / "tokenizer").is_dir() and not list(folder.rglob("diffusion*.safetensors"))
    assert not store.root.exists()
    on_folder = state(resolve(model(source, (file, 1.0)), store))["unet"]
    assert difference(state(resolve(asked, store))["unet"], on_folder) == 0


def test_a_lora_of_another_base_is_told_with_the_tensor_and_both_shapes(source, tmp_path, store):
    file = lora(source, tmp_path / "l.safetensors")
    with_unet(source, **V2)
    with pytest.raises(InputError) as told:
        resolve(model(source, (file, 1.0)), store)
    name = "lora_unet_down_blocks_0_attentions_0_proj_in.lora_down.weight"
    assert told.value.message == (
        f"{file}: {name}: found (3, 16, 1, 1) and (16, 3, 1, 1), which make (16, 16, 1, 1); this model's "
        "down_blocks.0.attentions.0.proj_in.weight is (16, 16): a LoRA for another base"
    )


Q = "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"
PAIR = {f"unet.{Q}.lora_A.weight": (2, 16), f"unet.{Q}.lora_B.weight": (16, 2)}
REFUSED = {
    "wider": (
        {f"unet.{Q}.lora_A.weight": (2, 320), f"unet.{Q}.lora_B.weight": (320, 2)},
        "found (2, 320) and (320, 2)",
    ),
    "ranks differ": ({**PAIR, f"unet.{Q}.lora_B.weight": (16, 4)}, "which have no product"),
    "no such layer": (
        {"unet.mid_block.attentions.9.proj_in.lora_A.weight": (2, 16)},
        "this model's unet has no such layer",
    ),
    "one factor": ({f"unet.{Q}.lora_A.weight": (2, 16)}, "one of two factors, the other is missing"),
    "DoRA": ({**PAIR, "lora_unet_x.dora_scale": (16, 1)}, "DoRA, which isn't a product of two factors"),
    "LoHa": ({"lora_unet_x.hada_w1_a": (2, 2)}, "LoHa, which isn't"),
    "LoKr": ({"lora_unet_x.lokr_w1": (2, 2)}, "LoKr, which isn't"),
    "SDXL": ({"lora_te2_text_model_x.lora_down.weight": (2, 2)}, "a LoRA for Stable Diffusion XL"),
    "unknown form": ({**PAIR, f"unet.{Q}.lora_C.weight": (2, 16)}, "in no form of a LoRA that is known"),
    "a model": ({"conv_in.weight": (2, 2)}, "holds no LoRA (its first tensor is conv_in.weight)"),
}


@pytest.mark.parametrize(("shapes", "told"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_lora_for_this_model_is_refused_by_its_header(shapes, told, source, tmp_path, store):
    file = header_only(tmp_path / "l.safetensors", shapes)
    with pytest.raises(InputError) as error:
        resolve(model(source, (file, 1.0)), store)
    assert error.value.message.startswith(f"{file}: ") and told in error.value.message
    assert "\n" not in error.value.message and not (store.root / "results").exists()


def test_a_file_that_is_not_there_or_pickled_is_told(source, tmp_path, store):
    (tmp_path / "l.bin").write_bytes(b"x")
    for name, told in {"no.safetensors": "no such file", "l.bin": "needs a LoRA as a .safetensors file"}.items():
        with pytest.raises(InputError, match=rf"{name}: {told}"):
            resolve(model(source, (tmp_path / name, 1.0)), store)
