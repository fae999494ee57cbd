"""Stage 3 of the demo model: the denoiser, a U-Net of SD-v1's shape in small.

v-prediction with zero terminal SNR and trailing timesteps (arXiv 2305.08891), captions dropped for guidance
(arXiv 2207.12598), timesteps stratified over the batch.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.demo.autoencoder import encode
from workbench.demo.pictures import BACKGROUNDS, TEMPLATES, Pictures
from workbench.training.loop import OnStep, Schedule, train

if TYPE_CHECKING:
    import torch
    from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
    from transformers import CLIPTextModel, CLIPTokenizer

DROP_CAPTION = 0.1
BATCH = 64
Known = tuple["torch.Tensor", "torch.Tensor"]
"""What the first two stages make of all pictures: latents, and states of their captions."""


def new_unet(text_width: int, seed: int = 2) -> UNet2DConditionModel:
    """An untrained U-Net: four levels, two layers each, SD-v1's block types and names."""
    import torch
    from diffusers import UNet2DConditionModel

    torch.manual_seed(seed)
    return UNet2DConditionModel(
        sample_size=16,
        in_channels=4,
        out_channels=4,
        block_out_channels=(64, 128, 144, 144),
        layers_per_block=2,
        down_block_types=("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",),
        up_block_types=("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3,
        cross_attention_dim=text_width,
        attention_head_dim=4,  # diffusers' name; it counts heads here, as in SD-v1
        norm_num_groups=16,
    )


def new_scheduler() -> DDIMScheduler:
    """The noise schedule that the demo model is trained with and draws with."""
    from diffusers import DDIMScheduler

    return DDIMScheduler(
        num_train_timesteps=1000,
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        prediction_type="v_prediction",
        rescale_betas_zero_snr=True,
        timestep_spacing="trailing",
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
    )


def train_unet(
    pictures: Pictures, known: Known, state: Path, steps: int, compiled: bool, on_step: OnStep | None = None
) -> UNet2DConditionModel:
    """Trains stage 3 and returns the U-Net with its averaged weights. ``compiled`` needs a C++ compiler."""
    import torch
    from diffusers.models.attention_processor import AttnProcessor, AttnProcessor2_0

    scheduler = new_scheduler()
    latents, states = known
    unet = new_unet(states.shape[-1])
    # Explicit attention trains faster than the fused kernel on a CPU (its backward pass is slow there).
    unet.set_attn_processor(AttnProcessor())
    predict = torch.compile(unet) if compiled else unet
    empty = len(states) - 1

    def loss_of(_model: Any, step: int, rng: np.random.Generator) -> dict[str, torch.Tensor]:
        concept, background = pictures.draw(rng, BATCH)
        wording = rng.integers(0, len(TEMPLATES), BATCH)
        row = (concept * len(BACKGROUNDS) + background) * len(TEMPLATES) + wording
        row = np.where(rng.random(BATCH) < DROP_CAPTION, empty, row)
        z = latents[concept * len(BACKGROUNDS) + background]
        noise = torch.from_numpy(rng.standard_normal(tuple(z.shape), dtype=np.float32))
        t = torch.from_numpy(((np.arange(BATCH) + rng.random(BATCH)) * (1000 / BATCH)).astype(np.int64))
        out = predict(scheduler.add_noise(z, noise, t), t, states[row].float()).sample.float()
        loss = (out - scheduler.get_velocity(z, noise, t)).pow(2).mean()
        return {"loss": loss}

    schedule = Schedule(
        steps=steps, lr=7e-4, warmup=200, decay="tail", weight_decay=0.01, ema=0.999, seed=13, precision="auto"
    )
    unet = train(unet, loss_of, schedule, state, on_step)
    unet.set_attn_processor(AttnProcessor2_0())
    return unet


def known_of(pictures: Pictures, autoencoder: AutoencoderKL, text: CLIPTextModel, tokenizer: CLIPTokenizer) -> Known:
    """Latents [N*8, 4, 16, 16] by concept and background; text states bf16 [N*8*3 + 1, L, D], last the empty one."""
    import torch

    concept, background = (v.ravel() for v in np.indices((len(pictures.names), len(BACKGROUNDS))))
    latents = encode(autoencoder, pictures, concept, background)
    captions = [
        caption
        for c, b in zip(concept, background, strict=True)
        for caption in pictures.captions(np.full(3, c), np.full(3, b), np.arange(len(TEMPLATES)))
    ]
    ids = tokenizer([*captions, ""], padding="max_length", truncation=True, return_tensors="pt").input_ids
    with torch.no_grad():
        states = torch.cat([text(part).last_hidden_state.bfloat16() for part in ids.split(256)])
    return latents, states
