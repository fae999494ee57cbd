"""A pipeline of a few hundred thousand random weights, for tests that need every kind of layer but no quality."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from workbench.models.candidate import COMPONENTS, FOLDERS, Candidate, Component


def make(folder: Path, brought: Path, widths: tuple[int, int] = (16, 32)) -> Candidate:
    """Writes the pipeline to ``folder``, with tokenizer, scheduler and captions of ``brought`` (the embedded model).

    ``widths``: channels of the U-Net's two levels.
    """
    import torch
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from safetensors.torch import save_file
    from transformers import CLIPTextConfig, CLIPTextModel

    for name in ("tokenizer", "scheduler", "data"):
        shutil.copytree(brought / name, folder / name, ignore=shutil.ignore_patterns("*.safetensors"))
    shutil.copyfile(brought / "model_index.json", folder / "model_index.json")
    rows = len(json.loads((folder / "data" / "captions.json").read_text()))
    noise = torch.randn(rows, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    save_file({"latents": noise.half()}, folder / "data" / "pictures.safetensors")
    theirs = json.loads((brought / "text_encoder" / "config.json").read_text())
    length, words = theirs["max_position_embeddings"], theirs["vocab_size"]
    torch.manual_seed(0)
    UNet2DConditionModel(
        sample_size=8,
        block_out_channels=widths,
        layers_per_block=1,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=16,
        attention_head_dim=2,
        norm_num_groups=8,
        mid_block_type=None,
    ).save_pretrained(folder / "unet")
    AutoencoderKL(
        block_out_channels=(8, 16),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        norm_num_groups=4,
        sample_size=16,
    ).save_pretrained(folder / "vae")
    text = CLIPTextConfig(
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=length,
        vocab_size=words,
        bos_token_id=theirs["bos_token_id"],
        eos_token_id=theirs["eos_token_id"],
        pad_token_id=theirs["pad_token_id"],
    )
    CLIPTextModel(text).save_pretrained(folder / "text_encoder")
    components = {name: Component(name, "torch", folder / FOLDERS[name]) for name in COMPONENTS}
    return Candidate("base", "tiny", folder, components)
