"""Stable Diffusion 1 and 2: CLIP's text encoder, a U-Net over latents, an autoencoder's decoder."""

from __future__ import annotations

from workbench.models.families.base import Config, Family
from workbench.models.families.stable_diffusion.parts import Decoder, TextEncoder, Unet


def _latents(decoder: Config) -> tuple[float, float]:
    """As diffusers' ``AutoencoderKL``: its pictures' latents have about unit variance once scaled."""
    return decoder.get("scaling_factor", 0.18215), decoder.get("shift_factor") or 0.0


def _factor(decoder: Config) -> int:
    """Every level of the autoencoder but the last halves the sides."""
    return 2 ** (len(decoder.get("block_out_channels") or [0] * 4) - 1)


FAMILY = Family(
    name="stable-diffusion",
    label="Stable Diffusion 1 or 2",
    parts=(TextEncoder(), Unet(), Decoder()),
    foreign={"text_encoder_2": "pipelines with two text encoders can't be read"},
    latents=_latents,
    factor=_factor,
    package=__name__,
)
