"""Files as they are passed on in the wild, written from small pipelines: single-file checkpoints and LoRAs."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from workbench.models.families.stable_diffusion import ldm
from workbench.models.weights import Shape

Tensors = dict[str, torch.Tensor]
UNET = "unet/diffusion_pytorch_model.safetensors"
V1: dict[str, Any] = {"attention_head_dim": 2, "use_linear_projection": False}
V2: dict[str, Any] = {"attention_head_dim": [2, 4], "use_linear_projection": True}


def with_unet(source: Path, **config: Any) -> None:
    """Another U-Net in a small pipeline: with a middle block, two layers a level."""
    from diffusers import UNet2DConditionModel

    torch.manual_seed(1)
    settings = {
        "sample_size": 8,
        "block_out_channels": (16, 32),
        "layers_per_block": 2,
        "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
        "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
        "cross_attention_dim": 16,
        "norm_num_groups": 8,
    }
    UNet2DConditionModel(**settings | config).save_pretrained(source / "unet")


def state(source: Path) -> dict[str, Tensors]:
    """The tensors of a pipeline by network's folder, with the names of today's libraries."""
    text = load_file(source / "text_encoder" / "model.safetensors")
    return {
        "unet": load_file(source / UNET),
        "vae": load_file(source / "vae" / "diffusion_pytorch_model.safetensors"),
        "text_encoder": {name.removeprefix("text_model."): value for name, value in text.items()},
    }


def checkpoint(source: Path, open_clip: bool = False) -> Tensors:
    """A pipeline's tensors with the names and shapes that they have in a single file."""
    nets, layers = state(source), json.loads((source / "unet" / "config.json").read_text())["layers_per_block"]
    shapes = {folder: {name: tuple(value.shape) for name, value in net.items()} for folder, net in nets.items()}
    levels = len(json.loads((source / "vae" / "config.json").read_text())["block_out_channels"])
    named = {"unet": ldm.unet_tensors(shapes["unet"], layers), "vae": ldm.vae_tensors(shapes["vae"], levels)}
    made = {
        name: value.reshape(shape).contiguous()
        for folder, there in named.items()
        for value, (name, shape) in zip(nets[folder].values(), there.items(), strict=True)
    }
    text = nets["text_encoder"]
    if not open_clip:
        return made | {ldm.CLIP + name: value for name, value in text.items()}
    for name in text:
        if ".self_attn.q_proj." in name:
            layer, kind = name.split(".")[2], name.rpartition(".")[2]
            parts = [text[name.replace(".q_proj.", f".{x}_proj.")] for x in "qkv"]
            made[f"{ldm.OPEN_CLIP}transformer.resblocks.{layer}.attn.in_proj_{kind}"] = torch.cat(parts)
        elif not any(f".self_attn.{x}_proj." in name for x in "kv"):
            (there,) = ldm.open_clip_tensors({name: tuple(text[name].shape)})
            made[there] = text[name]
    return made


def header_only(file: Path, shapes: Mapping[str, Shape]) -> Path:
    """A safetensors file in float16 of any size that takes no room on the disk: its values are zeros."""
    entries, end = {}, 0
    for name, shape in shapes.items():
        begin, end = end, end + 2 * int(torch.Size(shape).numel())
        entries[name] = {"dtype": "F16", "shape": shape, "data_offsets": [begin, end]}
    header = json.dumps(entries).encode()
    with file.open("wb") as out:
        out.write(struct.pack("<Q", len(header)) + header)
        out.truncate(8 + len(header) + end)
    return file


UNET_LAYERS = (
    *("to_q", "to_k", "to_v", "to_out.0", "proj_in", "proj_out", "ff.net.0.proj", "ff.net.2"),
    *("conv1", "conv2", "time_emb_proj", "conv_shortcut", "downsamplers.0.conv"),
)
ATTENTION = ("to_q", "to_k", "to_v", "to_out.0")
TEXT_LAYERS = ("q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2")


def factors(
    source: Path, which: Mapping[str, tuple[str, ...]], rank: int = 3
) -> dict[tuple[str, str], list[torch.Tensor]]:
    """Down and up for layers of networks, by folder and layer; ``which``: the ends of the layers' names."""
    made, noise, nets = {}, torch.Generator().manual_seed(2), state(source)
    for folder, ends in which.items():
        for name, value in nets[folder].items():
            layer = name.removesuffix(".weight")
            if name.endswith(".weight") and value.ndim > 1 and layer.endswith(ends):
                sides = value.shape[2:]
                down = torch.randn(rank, value.shape[1], *sides, generator=noise) / 8
                up = torch.randn(value.shape[0], rank, *(1 for _ in sides), generator=noise) / 8
                made[folder, layer] = [down, up]
    return made


def kohya(folder: str, layer: str, down: torch.Tensor, up: torch.Tensor) -> Tensors:
    start = {"unet": "lora_unet_", "text_encoder": "lora_te_text_model_"}[folder] + layer.replace(".", "_")
    return {f"{start}.lora_down.weight": down, f"{start}.lora_up.weight": up, f"{start}.alpha": torch.tensor(2.0)}


def peft(folder: str, layer: str, down: torch.Tensor, up: torch.Tensor) -> Tensors:
    start = f"{folder}.{'text_model.' if folder == 'text_encoder' else ''}{layer}"
    return {f"{start}.lora_A.weight": down, f"{start}.lora_B.weight": up}


def dotted(folder: str, layer: str, down: torch.Tensor, up: torch.Tensor) -> Tensors:
    return {f"{folder}.{layer}.lora.down.weight": down, f"{folder}.{layer}.lora.up.weight": up}


def first(folder: str, layer: str, down: torch.Tensor, up: torch.Tensor) -> Tensors:
    path, _, to = layer.removesuffix(".0").rpartition(".")
    return {f"{folder}.{path}.processor.{to}_lora.{end}.weight": value for end, value in (("down", down), ("up", up))}


def lora(
    source: Path,
    file: Path,
    form: Callable[[str, str, torch.Tensor, torch.Tensor], Tensors] = kohya,
    which: Mapping[str, tuple[str, ...]] | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> Path:
    """A LoRA for the pipeline in ``source``."""
    which = {"unet": UNET_LAYERS, "text_encoder": TEXT_LAYERS} if which is None else which
    tensors: Tensors = {}
    for (folder, layer), (down, up) in factors(source, which).items():
        tensors |= form(folder, layer, down, up)
    save_file(tensors, file, {"lora_adapter_metadata": json.dumps(metadata)} if metadata else None)
    return file
