"""Counting the components of a pipeline from their configs: no weights, nothing is computed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from workbench.errors import InputError
from workbench.measure.counts import Count
from workbench.models.unet import PRIVATE, meta_unet
from workbench.models.widths import Widths, read_widths
from workbench.runtimes.torch.macs import count

Side = int | tuple[int, int]
"""Sides of the latents: one number for squares, else height and width."""


def count_unet(
    config: Mapping[str, Any], side: Side | None = None, tokens: int = 77, widths: Widths | None = None
) -> Count:
    """Counts one pass of a ``UNet2DConditionModel`` at batch 1, latents of ``side`` and ``tokens`` text tokens.

    ``side`` is the config's ``sample_size`` by default; ``widths`` are those of a pruned U-Net.
    """
    import torch

    unet: Any = meta_unet(config, widths)
    with torch.device("meta"):
        sample = torch.empty(1, unet.config["in_channels"], *_sides(side or unet.config["sample_size"]))
        text = torch.empty(1, tokens, int(unet.config["cross_attention_dim"]))
        return count(unet, sample, torch.empty(1), text, return_dict=False)


def count_text_encoder(config: Mapping[str, Any], tokens: int | None = None) -> Count:
    """Counts one pass of a ``CLIPTextModel`` at batch 1 and ``tokens`` tokens (default: the most that it takes)."""
    import torch
    from transformers import CLIPTextConfig, CLIPTextModel

    settings = CLIPTextConfig(**{k: v for k, v in config.items() if k not in ("architectures", "dtype", "torch_dtype")})
    settings._attn_implementation = "sdpa"
    with torch.device("meta"):
        encoder = CLIPTextModel(settings).eval()
        tokens = tokens or settings.max_position_embeddings
        return count(encoder, torch.zeros(1, tokens, dtype=torch.long))


def count_vae_decoder(config: Mapping[str, Any], side: Side | None = None) -> Count:
    """Counts ``decoder(post_quant_conv(latent))`` of an ``AutoencoderKL``, batch 1, latents of ``side``."""
    import torch
    from diffusers import AutoencoderKL

    known = {key: value for key, value in config.items() if not key.startswith(PRIVATE)}
    with torch.device("meta"):
        vae: Any = AutoencoderKL(**known)
        vae.eval()
        side = side or int(vae.config["sample_size"]) // 2 ** (len(vae.config["block_out_channels"]) - 1)

        class Decoder(torch.nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.post_quant_conv = vae.post_quant_conv
                self.decoder = vae.decoder

            def forward(self, latent: torch.Tensor) -> torch.Tensor:
                return self.decoder(latent if self.post_quant_conv is None else self.post_quant_conv(latent))

        return count(Decoder(), torch.empty(1, vae.config["latent_channels"], *_sides(side)))


def _sides(side: Any) -> tuple[int, int]:
    """Height and width; a config's ``sample_size`` is one number or a list of both."""
    return (side, side) if isinstance(side, int) else (int(side[0]), int(side[1]))


def count_component(name: str, folder: Path, side: Side, tokens: int) -> Count:
    """Counts a component of a pipeline by the ``config.json`` in its ``folder``.

    Args:
        name: ``text_encoder``, ``unet`` or ``vae_decoder``.
        folder: the component's diffusers/transformers folder.
        side: of the latents.
        tokens: length of the prompt in tokens.
    """
    file = folder / "config.json"
    try:
        config = json.loads(file.read_text())
    except (OSError, ValueError) as error:
        raise InputError(f"{file}: can't be read as a component's config ({error})") from error
    if name == "unet":
        return count_unet(config, side, tokens, read_widths(folder))
    if name == "text_encoder":
        return count_text_encoder(config, tokens)
    return count_vae_decoder(config, side)
