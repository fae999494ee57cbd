"""The tensors that configs ask for, against the networks that diffusers and transformers make of these configs."""

from __future__ import annotations

from typing import Any

import pytest

from workbench.models.families.stable_diffusion import FAMILY
from workbench.models.families.stable_diffusion.architectures import ARCHITECTURES, SD_V1, SD_VAE

MIXED = {
    "block_out_channels": [16, 32, 64, 64],
    "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"],
    "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D", "CrossAttnUpBlock2D"],
    "layers_per_block": [1, 2, 3, 1],
    "transformer_layers_per_block": [1, 2, 1, 3],
    "attention_head_dim": [2, 4, 8, 8],
    "cross_attention_dim": 24,
    "norm_num_groups": 8,
    "time_cond_proj_dim": 32,
    "time_embedding_dim": 72,
}
TAESD = {
    "_class_name": "AutoencoderTiny",
    "encoder_block_out_channels": [8] * 4,
    "decoder_block_out_channels": [8] * 4,
    "num_encoder_blocks": [1, 3, 3, 3],
    "num_decoder_blocks": [3, 3, 3, 1],
    "latent_channels": 4,
}
CONFIGS = {
    **{f"{name} {part}": (part, config) for name, parts in ARCHITECTURES.items() for part, config in parts.items()},
    "levels that differ in everything": ("unet", SD_V1 | MIXED),
    "one level": ("unet", SD_V1 | {key: SD_V1[key][-1:] for key in SD_V1 if isinstance(SD_V1[key], list)}),
    "no attention, no quantizing convolutions": (
        "vae_decoder",
        SD_VAE | {"mid_block_add_attention": False, "use_quant_conv": False, "use_post_quant_conv": False},
    ),
    "16 channels": ("vae_decoder", SD_VAE | {"latent_channels": 16, "layers_per_block": 1}),
    "TAESD": ("vae_decoder", TAESD),
}


@pytest.mark.parametrize("name", CONFIGS)
def test_names_and_shapes_are_those_of_the_libraries(name, tmp_path):
    component, config = CONFIGS[name]
    part: Any = FAMILY.part(component)
    expected = part.tensors(part.schema(config).model_validate(config), tmp_path)
    theirs = {part.renamed(key): tuple(value.shape) for key, value in part.empty(config).state_dict().items()}
    assert expected == theirs
