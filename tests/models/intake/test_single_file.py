"""Single-file checkpoints: made into pipelines exactly, or refused from their headers in a sentence."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from tests.models.intake.files import UNET, V1, V2, checkpoint, header_only, state, with_unet
from workbench.errors import InputError
from workbench.models.families.stable_diffusion import FAMILY, ldm
from workbench.models.families.stable_diffusion.architectures import ARCHITECTURES, SCHEDULER
from workbench.models.families.stable_diffusion.single import asked
from workbench.models.folder import inspect_folder, pipeline_files
from workbench.models.intake.model import Model
from workbench.models.intake.single_file import SingleFile
from workbench.models.sources import look, resolve


@pytest.fixture
def given(own_tiny, tmp_path):
    """A small pipeline of SD-v1's kind, and the single file of its tensors."""
    with_unet(own_tiny.source, **V1)
    file = tmp_path / "tuned.safetensors"
    save_file(checkpoint(own_tiny.source), file)
    return own_tiny.source, file


def model(file: Path, config: Path | None) -> Model:
    return Model(path=str(file), config=None if config is None else str(config))


@pytest.mark.parametrize(
    ("config", "open_clip"),
    [(V1, False), (V2, True), (V1 | {"mid_block_type": None}, False)],
    ids=["v1", "v2", "no mid"],
)
def test_every_tensor_is_that_of_the_pipeline_from_which_the_file_was_made(
    config, open_clip, own_tiny, tmp_path, store
):
    source, file = own_tiny.source, tmp_path / "tuned.safetensors"
    with_unet(source, **config)
    beside = {
        "betas": torch.zeros(1000),
        "model_ema.num_updates": torch.tensor(3),
        "cond_stage_model.transformer.text_model.embeddings.position_ids": torch.arange(77)[None],
        "cond_stage_model.model.text_projection": torch.zeros(16, 16),
        "cond_stage_model.model.logit_scale": torch.tensor(1.0),
    }
    unused = {
        name: value for name, value in beside.items() if not name.startswith(ldm.CLIP if open_clip else ldm.OPEN_CLIP)
    }
    save_file({name: value.half() for name, value in checkpoint(source, open_clip).items()} | unused, file)
    made = resolve(model(file, source), store)
    assert made.is_relative_to(store.root) and inspect_folder(made) == []
    before, after = state(source), state(made)
    assert {folder: net.keys() for folder, net in after.items()} == {
        folder: net.keys() for folder, net in before.items()
    }
    assert all(torch.equal(after[f][name], value.half()) for f, net in before.items() for name, value in net.items())


def test_diffusers_reads_what_was_made(given, store):
    from diffusers import StableDiffusionPipeline

    source, file = given
    made = resolve(model(file, source), store)
    pipeline = StableDiffusionPipeline.from_pretrained(made, local_files_only=True)
    assert all(torch.equal(pipeline.unet.state_dict()[name], value) for name, value in state(source)["unet"].items())


def test_a_file_is_made_once_and_again_where_a_config_changes(given, store):
    source, file = given
    made = resolve(model(file, source), store)
    written = (made / UNET).stat().st_mtime_ns
    assert resolve(model(file, source), store) == made and (made / UNET).stat().st_mtime_ns == written
    scheduler = source / "scheduler" / "scheduler_config.json"
    scheduler.write_text(json.dumps(json.loads(scheduler.read_text()) | {"prediction_type": "sample"}))
    again = resolve(model(file, source), store)
    assert again != made and "sample" in (again / "scheduler" / "scheduler_config.json").read_text()


def test_looking_at_a_file_writes_nothing_into_the_store_and_leaves_nothing(given, store):
    source, file = given
    with look(model(file, source)) as folder:
        assert FAMILY.configs(folder)("unet")["block_out_channels"] == [16, 32]
        assert not list(folder.rglob("*.safetensors"))
    assert not folder.exists() and not store.root.exists()


REFUSED = {
    "inpainting": ({f"{ldm.UNET}input_blocks.0.0.weight": (320, 9, 3, 3)}, "takes 9 channels; needs 4 (inpainting"),
    "editing": (
        {f"{ldm.UNET}input_blocks.0.0.weight": (320, 8, 3, 3)},
        "takes 8 channels; needs 4 (inpainting and editing",
    ),
    "sdxl": ({"conditioner.embedders.0.transformer.x": (1,)}, "holds Stable Diffusion XL"),
    "sd3": ({f"{ldm.UNET}joint_blocks.0.x": (1,)}, "holds Stable Diffusion 3"),
    "flux": ({"double_blocks.0.img_attn.qkv.weight": (1,)}, "holds Flux"),
    "controlnet": ({"control_model.time_embed.0.weight": (1,)}, "holds a ControlNet"),
    "lora": ({"lora_unet_x.lora_down.weight": (4, 4)}, "holds a LoRA, not a model; put it on top of one: model: {path"),
    "peft": ({"unet.x.lora_A.weight": (4, 4)}, "holds a LoRA, not a model"),
    "unet": (
        {"conv_in.weight": (320, 4, 3, 3), "down_blocks.0.x": (1,)},
        "it belongs into the unet/ of a pipeline's folder",
    ),
    "nothing": ({"weight": (1,)}, "holds no checkpoint"),
    "half": ({f"{ldm.UNET}input_blocks.0.0.weight": (320, 4, 3, 3)}, "holds no text encoder"),
}


@pytest.mark.parametrize(("shapes", "told"), REFUSED.values(), ids=REFUSED)
def test_a_file_of_another_kind_is_refused_by_its_header(shapes, told, tmp_path):
    file = header_only(tmp_path / "x.safetensors", shapes)
    (problem,) = SingleFile(file).problems()
    assert problem.startswith(f"{file}: ") and told in problem and "\n" not in problem


def test_a_tensor_of_another_shape_is_told_with_what_was_found_and_expected(given, tmp_path):
    source, _ = given
    tensors = checkpoint(source)
    name = f"{ldm.UNET}out.2.weight"
    tensors[name] = torch.zeros(4, 8, 3, 3)
    file = tmp_path / "other.safetensors"
    save_file(tensors, file)
    (problem,) = SingleFile(file, source).problems()
    assert f"{source}/unet/config.json doesn't fit: {name} should be (4, 16, 3, 3), found (4, 8, 3, 3) (1 of" in problem


def test_what_config_has_to_name_is_told(given, store):
    source, file = given
    with pytest.raises(InputError, match=r"a single file has no tokenizer, and config isn't set; needs config: FOLDER"):
        resolve(str(file), store)
    shutil.rmtree(source / "tokenizer")
    with pytest.raises(InputError, match=rf"no tokenizer, and {source} has none; needs config: FOLDER"):
        resolve(model(file, source), store)
    with pytest.raises(InputError, match=r"^config: found .*, no such folder$"):
        resolve(model(file, source / "no"), store)


def test_the_second_version_needs_a_scheduler_and_the_first_has_its_own(own_tiny, tmp_path, store):
    source = own_tiny.source
    shutil.rmtree(source / "scheduler")
    for open_clip in (False, True):
        with_unet(source, **(V2 if open_clip else V1))
        file = tmp_path / f"{open_clip}.safetensors"
        save_file(checkpoint(source, open_clip), file)
        if open_clip:
            with pytest.raises(InputError, match=r"needs scheduler/scheduler_config\.json in config:"):
                resolve(model(file, source), store)
        else:
            made = resolve(model(file, source), store)
            assert json.loads((made / "scheduler" / "scheduler_config.json").read_text()) == SCHEDULER


def test_configs_of_different_models_are_told_by_the_users_folder(given):
    source, file = given
    words = source / "text_encoder" / "config.json"
    words.write_text(json.dumps(json.loads(words.read_text()) | {"num_attention_heads": 3}))
    (problem,) = SingleFile(file, source).problems()
    assert problem.startswith(f"{source}/text_encoder/config.json: ") and "num_attention_heads" in problem


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_the_published_architectures_are_known_from_the_shapes(name, tmp_path):
    configs = ARCHITECTURES[name]
    start = ldm.OPEN_CLIP if configs["text_encoder"]["hidden_size"] == 1024 else ldm.CLIP
    names = {start: ()}
    shapes = {k: v for part, config in configs.items() for k, v in asked(part, config, names).items()}
    file = SingleFile(header_only(tmp_path / "x.safetensors", shapes), prompts=False)
    assert file.problems() == []
    file.outline(tmp_path)
    known = {part.name: part.config(tmp_path / part.folder) for part in FAMILY.parts}
    assert all(known[part].items() >= config.items() for part, config in configs.items())


def test_a_network_of_no_known_shape_asks_for_its_config(given):
    _, file = given
    problems = SingleFile(file, prompts=False).problems()
    assert len(problems) == 3 and all(
        "the nearest that is known" in p and "/config.json in config:" in p for p in problems
    )


def test_the_key_of_the_model_is_that_of_its_contents_wherever_the_store_lies(given, store, tmp_path):
    from workbench.store.store import Store

    source, file = given
    made = [resolve(model(file, source), one) for one in (store, Store(tmp_path / "second"))]
    hashes = [store.folder_hash(folder, pipeline_files(folder)) for folder in made]
    assert hashes[0] == hashes[1]
