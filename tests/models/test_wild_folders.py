"""Model folders as they are found in the wild: each works, or is refused in sentences that name the file."""

from __future__ import annotations

import json
import os
import random
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from workbench.errors import InputError
from workbench.models.candidate import Candidate
from workbench.models.families.stable_diffusion import FAMILY
from workbench.models.folder import inspect_folder, notes
from workbench.models.scheduler import load_scheduler, read_scheduler

UNET, VAE, TEXT = "unet/config.json", "vae/config.json", "text_encoder/config.json"
INDEX, SCHEDULER = "model_index.json", "scheduler/scheduler_config.json"
WEIGHTS = "unet/diffusion_pytorch_model.safetensors"
INPAINTING = {"in_channels": 9}
WRONG: tuple[Any, ...] = (None, "x", -1, 0, 3, 1.5, True, [], {}, [None], [[1]], [1, 2, 3, 4], 10**9, float("nan"))


def rewritten(file: Path, **entries: Any) -> None:
    """Entries of a JSON file, set; those that are ``...`` removed."""
    config = json.loads(file.read_text()) | entries
    file.write_text(json.dumps({key: value for key, value in config.items() if value is not ...}))


def weights(change: Callable[[dict[str, torch.Tensor]], Any]) -> Callable[[Path], Any]:
    def rewrite(file: Path) -> None:
        tensors = load_file(file)
        change(tensors)
        save_file(tensors, file)

    return rewrite


def bytes_of(content: bytes) -> Callable[[Path], Any]:
    return lambda file: file.write_bytes(content)


def fifo(file: Path) -> None:
    file.unlink()
    os.mkfifo(file)


def loop(file: Path) -> None:
    file.unlink()
    file.symlink_to(file)


def bpe(vocab: dict[str, float]) -> dict[str, Any]:
    return {"type": "BPE", "vocab": vocab, "merges": []}


CASES: list[tuple[str, dict[str, Any] | Callable[[Path], Any], str]] = [
    (UNET, INPAINTING, "doesn't fit the weights"),
    (UNET, {"addition_embed_type": "text_time"}, "addition_embed_type"),
    (UNET, {"num_class_embeds": 1000}, "num_class_embeds"),
    (UNET, {"cross_attention_dim": 1024}, "doesn't fit the weights"),
    (UNET, {"block_out_channels": [16, 48]}, "doesn't fit the weights"),
    (UNET, {"block_out_channels": [16]}, "need one a level"),
    (UNET, {"block_out_channels": [16, 36]}, "norm_num_groups"),
    (UNET, {"layers_per_block": 10**9}, "layers_per_block"),
    (UNET, {"_class_name": "UNet3DConditionModel"}, "_class_name"),
    (UNET, bytes_of(b"[" * 200_000), "not valid JSON"),
    (UNET, bytes_of(b'{"in_channels": ' + b"9" * 100_000 + b"}"), "not valid JSON"),
    (UNET, lambda file: os.truncate(file, 200_000_000), "bytes long"),
    (UNET, fifo, "device"),
    (UNET, loop, "can't be read"),
    (VAE, {"latent_channels": 16}, "doesn't fit the weights"),
    (VAE, {"scaling_factor": "0.18215"}, "scaling_factor"),
    (TEXT, {"model_type": "bert"}, "model_type"),
    (TEXT, {"hidden_size": 64}, "doesn't fit the weights"),
    (TEXT, {"vocab_size": ...}, "lacks vocab_size"),
    (INDEX, {"text_encoder": ["transformers", "BertModel"]}, "CLIPTextModel"),
    (INDEX, {"tokenizer": ["transformers", "T5Tokenizer"]}, "CLIPTokenizer"),
    (INDEX, {"unet": ["diffusers", "UNetSpatioTemporalConditionModel"]}, "UNet2DConditionModel"),
    (SCHEDULER, {"_class_name": "FlowMatchEulerDiscreteScheduler"}, "FlowMatchEulerDiscreteScheduler"),
    (SCHEDULER, {"_class_name": "DPMSolverSDEScheduler"}, "seed"),
    (SCHEDULER, {"_class_name": ["DDIMScheduler"]}, "_class_name"),
    (SCHEDULER, {"prediction_type": "flow_prediction"}, "prediction_type"),
    (WEIGHTS, weights(lambda tensors: tensors.pop("conv_in.bias")), "found nothing (1 of"),
    (WEIGHTS, weights(lambda tensors: tensors.update({"conv_in.bias": torch.zeros(7)})), "should be (16,), found (7,)"),
    (WEIGHTS, weights(lambda tensors: tensors.update({"conv_in.bias": torch.zeros(16).char()})), "I8"),
    (WEIGHTS, bytes_of(struct.pack("<Q", 2**60) + b"{}"), "cut off, or not"),
    (WEIGHTS, lambda file: os.truncate(file, file.stat().st_size - 1), "cut off, or not"),
    (WEIGHTS, loop, "missing"),
    ("tokenizer/tokenizer.json", {"model": bpe({str(i): i for i in range(5000)})}, "vocab_size"),
    ("tokenizer/tokenizer.json", {"model": [1]}, "can't be read as a tokenizer"),
    ("tokenizer/tokenizer.json", {"model": bpe({"a": 2.5})}, "2.5"),
    ("tokenizer/tokenizer_config.json", {"bos_token": 3}, "bos_token: found 3"),
    ("tokenizer/tokenizer_config.json", {"pad_token": {"__type": "AddedToken"}}, "pad_token"),
    ("tokenizer/tokenizer.json", bytes_of(b"{"), "not valid JSON"),
]


@pytest.mark.parametrize(("file", "change", "word"), CASES)
def test_a_folder_that_would_fail_later_is_refused_by_the_file(file, change, word, own_tiny):
    source = own_tiny.source
    rewritten(source / file, **change) if isinstance(change, dict) else change(source / file)
    (problem,) = inspect_folder(source)
    assert problem.startswith(str((source / file).parent)) and word in problem and "\n" not in problem


def test_networks_of_different_models_are_told(own_tiny):
    source = own_tiny.source
    rewritten(source / UNET, **INPAINTING, cross_attention_dim=24)
    weights(lambda tensors: tensors.update(wider(tensors)))(source / WEIGHTS)
    channels, width = inspect_folder(source)
    assert "in_channels: found 9; needs the 4" in channels and "cross_attention_dim: found 24" in width


def wider(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The tensors of a U-Net of 9 channels in, and text states of 24."""
    keys = {
        name: torch.zeros(len(old), 24) for name, old in tensors.items() if "attn2.to_k" in name or "attn2.to_v" in name
    }
    return {**keys, "conv_in.weight": torch.zeros(16, 9, 3, 3)}


def works(source: Path) -> None:
    """Loads every component and runs it once; sets up the scheduler."""
    configs = FAMILY.configs(source)
    with torch.inference_mode():
        for part in FAMILY.parts:
            part.load(source / part.folder)(*map(torch.from_numpy, part.spec(configs).seeded().values()))
    load_scheduler(read_scheduler(source), 4)


def test_more_tensors_than_needed_and_names_of_old_files_are_taken(own_tiny):
    source = own_tiny.source
    text = source / "text_encoder" / "model.safetensors"
    new = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}

    def older(name: str) -> str:
        for old, now in new.items():
            name = name.replace(f"attentions.0.{now}.", f"attentions.0.{old}.")
        return name

    before = FAMILY.decoder.net(source / "vae").state_dict()
    vae = source / "vae" / WEIGHTS.rpartition("/")[2]
    save_file({older(name): value for name, value in load_file(vae).items()}, vae)
    prefixed = {f"text_model.{name.removeprefix('text_model.')}": value for name, value in load_file(text).items()}
    save_file(prefixed | {"text_model.embeddings.position_ids": torch.arange(24)[None]}, text, {"format": "pt"})
    weights(lambda tensors: tensors.update({"lora.unused": torch.zeros(3)}))(source / WEIGHTS)
    assert inspect_folder(source) == []
    works(source)
    after = FAMILY.decoder.net(source / "vae").state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())


@pytest.mark.parametrize(
    ("entries", "side"),
    [
        ({"sample_size": ...}, 64),
        ({"sample_size": 32, "_diffusers_version": "0.6.0.dev0"}, 64),
        ({"sample_size": 32}, 32),
    ],
)
def test_a_sample_size_that_is_not_the_files_is_told(entries, side, own_tiny):
    source = own_tiny.source
    rewritten(source / UNET, **entries)
    assert inspect_folder(source) == [] and FAMILY.latent(FAMILY.configs(source)) == (1, 4, side, side)
    assert FAMILY.denoiser.net(source / "unet").config.sample_size == side
    assert [note.startswith(f"{source / UNET}: sample_size: ") for note in notes(source)] == [True] * (side == 64)


def mutants(source: Path) -> list[tuple[str, str, Any]]:
    """Every entry of every config with every wrong value, or without it."""
    files = (UNET, VAE, TEXT, SCHEDULER, INDEX)
    return [(f, key, value) for f in files for key in json.loads((source / f).read_text()) for value in (*WRONG, ...)]


def each_works_or_is_refused(candidate: Candidate, chosen: list[tuple[str, str, Any]]) -> None:
    source = candidate.source
    for file, key, value in chosen:
        text = (source / file).read_text()
        rewritten(source / file, **{key: value})
        problems = inspect_folder(source)
        assert all(p.startswith(str(source)) and "\n" not in p and len(p) < 800 for p in problems), (file, key, value)
        if not problems:
            try:
                works(source)
            except InputError as error:
                assert str(source) in error.message or "steps: " in error.message
        (source / file).write_text(text)


def test_a_config_with_a_wrong_entry_works_or_is_refused(own_tiny):
    each_works_or_is_refused(own_tiny, random.Random(0).sample(mutants(own_tiny.source), 80))


@pytest.mark.long
def test_every_config_with_a_wrong_entry_works_or_is_refused(own_tiny):
    each_works_or_is_refused(own_tiny, mutants(own_tiny.source))
