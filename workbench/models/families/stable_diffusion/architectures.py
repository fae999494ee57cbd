"""Published full-size architectures as diffusers/transformers configs: no weights are needed to count them.

Sources: the config.json files of Stable Diffusion v1.4 and v2.1-base, and the layouts of BK-SDM (Kim et al. 2023),
which differ from their teacher only in the entries named here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

SD_V1: dict[str, Any] = {
    "act_fn": "silu",
    "attention_head_dim": 8,
    "block_out_channels": [320, 640, 1280, 1280],
    "center_input_sample": False,
    "cross_attention_dim": 768,
    "down_block_types": ["CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"],
    "downsample_padding": 1,
    "flip_sin_to_cos": True,
    "freq_shift": 0,
    "in_channels": 4,
    "layers_per_block": 2,
    "mid_block_scale_factor": 1,
    "norm_eps": 1e-05,
    "norm_num_groups": 32,
    "out_channels": 4,
    "sample_size": 64,
    "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"],
}
SD_V2: dict[str, Any] = SD_V1 | {
    "attention_head_dim": [5, 10, 20, 20],
    "cross_attention_dim": 1024,
    "use_linear_projection": True,
}
_BASE: dict[str, Any] = {"layers_per_block": 1}
_SMALL: dict[str, Any] = _BASE | {"mid_block_type": None}
_TINY: dict[str, Any] = _SMALL | {
    "block_out_channels": [320, 640, 1280],
    "down_block_types": ["CrossAttnDownBlock2D"] * 3,
    "up_block_types": ["CrossAttnUpBlock2D"] * 3,
}

UNETS: Mapping[str, dict[str, Any]] = {
    "sd-v1": SD_V1,
    "bk-base": SD_V1 | _BASE,
    "bk-small": SD_V1 | _SMALL,
    "bk-tiny": SD_V1 | _TINY,
    "sd-v2": SD_V2,
    "bk-v2-base": SD_V2 | _BASE,
    "bk-v2-small": SD_V2 | _SMALL,
    "bk-v2-tiny": SD_V2 | _TINY | {"attention_head_dim": [5, 10, 20]},
}
"""Name to the config of a ``UNet2DConditionModel``."""

SD_V1_TEXT_ENCODER: dict[str, Any] = {
    "hidden_act": "quick_gelu",
    "hidden_size": 768,
    "intermediate_size": 3072,
    "max_position_embeddings": 77,
    "num_attention_heads": 12,
    "num_hidden_layers": 12,
    "projection_dim": 768,
    "vocab_size": 49408,
}
"""Config of the ``CLIPTextModel`` of SD-v1 (CLIP ViT-L/14)."""

SD_V2_TEXT_ENCODER: dict[str, Any] = SD_V1_TEXT_ENCODER | {
    "hidden_act": "gelu",
    "hidden_size": 1024,
    "intermediate_size": 4096,
    "num_attention_heads": 16,
    "num_hidden_layers": 23,
    "projection_dim": 512,
}
"""Config of the ``CLIPTextModel`` of SD-v2 (OpenCLIP ViT-H without its last layer)."""

SD_VAE: dict[str, Any] = {
    "act_fn": "silu",
    "block_out_channels": [128, 256, 512, 512],
    "down_block_types": ["DownEncoderBlock2D"] * 4,
    "in_channels": 3,
    "latent_channels": 4,
    "layers_per_block": 2,
    "norm_num_groups": 32,
    "out_channels": 3,
    "sample_size": 512,
    "up_block_types": ["UpDecoderBlock2D"] * 4,
}
"""Config of the ``AutoencoderKL`` of SD-v1 and v2."""


ARCHITECTURES: dict[str, dict[str, dict[str, Any]]] = {
    name: {
        "text_encoder": SD_V2_TEXT_ENCODER if unet["cross_attention_dim"] == 1024 else SD_V1_TEXT_ENCODER,
        "unet": unet,
        "vae_decoder": SD_VAE,
    }
    for name, unet in UNETS.items()
}
"""Name to the configs of all components; a text encoder is as wide as its U-Net expects."""

SCHEDULER: dict[str, Any] = {
    "_class_name": "PNDMScheduler",
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "beta_start": 0.00085,
    "num_train_timesteps": 1000,
    "prediction_type": "epsilon",
    "set_alpha_to_one": False,
    "skip_prk_steps": True,
    "steps_offset": 1,
    "trained_betas": None,
}
"""Config of the scheduler of SD-v1 and of v2.1-base."""
