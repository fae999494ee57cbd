"""Folders whose weights lie under other names: variants, shards of them, pickles where they are allowed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.models.intake.files import state
from workbench.errors import InputError, RunError
from workbench.models.families.stable_diffusion import FAMILY
from workbench.models.folder import inspect_folder, notes, pipeline_files
from workbench.models.intake.model import Model
from workbench.models.sources import base_candidate, resolve
from workbench.models.weights import weight_files

STEMS = {part.folder: part.stem for part in FAMILY.parts}


def renamed(source: Path, variant: str, form: str) -> dict[str, dict[str, torch.Tensor]]:
    """Gives all weights of a pipeline the names of a variant, in one file or in two; what they are."""
    for folder, stem in STEMS.items():
        file = source / folder / f"{stem}.safetensors"
        tensors = {name: value.half() for name, value in load_file(file).items()}
        file.unlink()
        if form == "whole":
            save_file(tensors, file.with_name(f"{stem}.{variant}.safetensors"), {"format": "pt"})
            continue
        older = form == "shards of older libraries"
        names = [
            f"{stem}-0000{i}-of-00002.{variant}" if older else f"{stem}.{variant}-0000{i}-of-00002" for i in (1, 2)
        ]
        shards = {f"{names[i]}.safetensors": list(tensors)[i::2] for i in (0, 1)}
        for name, inside in shards.items():
            save_file({tensor: tensors[tensor] for tensor in inside}, file.with_name(name), {"format": "pt"})
        index = f"{stem}.safetensors.index.{variant}.json" if older else f"{stem}.{variant}.safetensors.index.json"
        listed = {tensor: name for name, inside in shards.items() for tensor in inside}
        file.with_name(index).write_text(json.dumps({"weight_map": listed}))
    return {folder: net_of(source, folder) for folder in STEMS}


def net_of(source: Path, folder: str) -> dict[str, torch.Tensor]:
    part = next(part for part in FAMILY.parts if part.folder == folder)
    return dict(part.net(source / folder).state_dict())


@pytest.mark.parametrize("variant", ["fp16", "bf16"])
@pytest.mark.parametrize("form", ["whole", "shards", "shards of older libraries"])
def test_a_variant_is_taken_where_there_are_no_plain_weights_and_it_is_said(variant, form, own_tiny, store):
    source = own_tiny.source
    before = {folder: net_of(source, folder) for folder in STEMS}
    after = renamed(source, variant, form)
    assert inspect_folder(source) == [] and base_candidate(str(source), store).source == source
    assert all(torch.equal(after[f][n], value.half().float()) for f, net in before.items() for n, value in net.items())
    assert [f"the {variant} variant" in note for note in notes(source)] == [True] * 3
    taken = {file for folder, stem in STEMS.items() for file in weight_files(source / folder, stem)}
    assert taken <= set(pipeline_files(source))


def test_a_variant_beside_plain_weights_is_taken_only_where_it_is_asked_for(own_tiny, store):
    source = own_tiny.source
    other = {name: value * 2 for name, value in load_file(source / "unet" / f"{STEMS['unet']}.safetensors").items()}
    save_file(other, source / "unet" / f"{STEMS['unet']}.ema.safetensors")
    plain = state(source)
    assert resolve(str(source), store) == source and notes(source) == []
    made = resolve(Model(path=str(source), variant="ema"), store)
    assert all(torch.equal(state(made)["unet"][name], value) for name, value in other.items())
    assert all(torch.equal(state(made)["vae"][name], value) for name, value in plain["vae"].items())
    assert [note.split(": ", 1)[1] for note in notes(made)] == [
        "no ema variant there; model.safetensors is taken",
        "no ema variant there; diffusion_pytorch_model.safetensors is taken",
    ]


def pickle(source: Path) -> dict[str, dict[str, torch.Tensor]]:
    tensors = state(source)
    for part in FAMILY.parts:
        (source / part.folder / f"{part.stem}.safetensors").unlink()
        torch.save(tensors[part.folder], source / part.folder / f"{part.pickled}.bin")
    return tensors


def test_pickles_are_read_where_it_is_allowed_and_become_safetensors(own_tiny, store):
    source = own_tiny.source
    before = pickle(source)
    with pytest.raises(InputError, match=r"pickled weights can run code and aren't read; .*allow_pickle: true"):
        resolve(str(source), store)
    made = resolve(Model(path=str(source), allow_pickle=True), store)
    after = state(made)
    assert all(torch.equal(after[f][name], value) for f, net in before.items() for name, value in net.items())
    assert not list(made.rglob("*.bin")) and all("tensors and nothing else" in note for note in notes(made))


def test_allowing_pickles_changes_nothing_where_there_are_none(own_tiny, store):
    assert resolve(Model(path=str(own_tiny.source), allow_pickle=True), store) == own_tiny.source


def test_a_pickle_that_would_run_something_is_refused_though_pickles_are_allowed(own_tiny, store, tmp_path):
    source = own_tiny.source
    pickle(source)
    file = source / "unet" / f"{STEMS['unet']}.bin"
    file.write_bytes(b"cos\nsystem\n(S'touch " + str(tmp_path / "ran").encode() + b"'\ntR.")
    with pytest.raises(InputError) as told:
        resolve(Model(path=str(source), allow_pickle=True), store)
    assert told.value.message.startswith(f"{file}: can't be read as pickled tensors and nothing else")
    assert not (tmp_path / "ran").exists()


def test_a_pickled_single_file_is_read_where_it_is_allowed(own_tiny, store, tmp_path):
    from tests.models.intake.files import V1, checkpoint, with_unet

    source, file = own_tiny.source, tmp_path / "old.ckpt"
    with_unet(source, **V1)
    torch.save({"state_dict": checkpoint(source), "global_step": 3}, file)
    with pytest.raises(InputError, match=r"pickled weights can run code and aren't read; .*allow_pickle: true"):
        resolve(Model(path=str(file), config=str(source)), store)
    torch.save({"lora_unet_x.lora_down.weight": torch.zeros(2, 2)}, tmp_path / "lora.pt")
    with pytest.raises(InputError, match=r"lora\.pt: holds a LoRA, not a model"):
        resolve(Model(path=str(tmp_path / "lora.pt"), config=str(source), allow_pickle=True), store)
    made = state(resolve(Model(path=str(file), config=str(source), allow_pickle=True), store))
    assert all(torch.equal(made[f][name], value) for f, net in state(source).items() for name, value in net.items())


@pytest.mark.parametrize("kind", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
def test_weights_that_are_no_numbers_are_told_when_they_are_loaded(kind, value, own_tiny):
    source = own_tiny.source
    for part in FAMILY.parts:
        file = source / part.folder / f"{part.stem}.safetensors"
        tensors = {name: tensor.to(kind) for name, tensor in load_file(file).items()}
        name = list(tensors)[-1]
        tensors[name].flatten()[-1] = float(value)
        save_file(tensors, file, {"format": "pt"})
        with pytest.raises(RunError, match=r"holds numbers that aren't finite") as told:
            part.load(source / part.folder)
        assert told.value.message.startswith(f"{file}: {name} holds")


def test_keys_that_say_nothing_of_a_kind_of_model_are_told(own_tiny, store):
    source = own_tiny.source
    with pytest.raises(InputError, match="config: is for a single file"):
        resolve(Model(path=str(source), config=str(source)), store)
    with pytest.raises(InputError, match="only a folder's weight files have variants"):
        resolve(Model(path="arch:sd-v1", variant="fp16"), store)


def test_what_a_folder_brings_beside_its_networks_comes_along(own_tiny, store):
    source = own_tiny.source
    made = resolve(Model(path=str(source), scheduler="DDIMScheduler"), store)
    there = {str(f.relative_to(source / "data")) for f in (source / "data").rglob("*") if f.is_file()}
    assert there and {str(f.relative_to(made / "data")) for f in (made / "data").rglob("*")} == there
    shutil.rmtree(source / "data" / "captions.json", ignore_errors=True)
    (source / "data" / "captions.json").write_text("[]")
    assert resolve(Model(path=str(source), scheduler="DDIMScheduler"), store) != made
