"""Stable Diffusion 1 and 2: CLIP's text encoder, a U-Net over latents, an autoencoder's decoder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from workbench.models.families.base import Config, Configs, Family
from workbench.models.families.stable_diffusion.parts import Decoder, TextEncoder, Unet
from workbench.models.read_json import read_object

_TEXT, _UNET, _DECODER = parts = TextEncoder(), Unet(), Decoder()


def _latents(decoder: Config) -> tuple[float, float]:
    """As diffusers' autoencoders: their pictures' latents have about unit variance once scaled."""
    usual = 0.18215 if _DECODER.class_of(decoder) == _DECODER.cls else 1.0
    return decoder.get("scaling_factor", usual), decoder.get("shift_factor") or 0.0


def _factor(decoder: Config) -> int:
    """Every level of the autoencoder but the last halves the sides."""
    levels = decoder.get("block_out_channels") or decoder.get("decoder_block_out_channels") or [0] * 4
    return 2 ** (len(levels) - 1)


def _disagreements(folder: Path, configs: Configs) -> Iterator[str]:
    """Widths in which one component's output isn't the next one's input, and words that the text encoder hasn't."""
    text, unet, decoder = (configs(part.name) for part in parts)
    file = folder / _UNET.folder / "config.json"
    for key in ("in_channels", "out_channels"):
        if (channels := unet.get(key, decoder["latent_channels"])) != decoder["latent_channels"]:
            what = "inpainting and editing models, which take a picture as well, can't be drawn with"
            yield f"{file}: {key}: found {channels}; needs the {decoder['latent_channels']} of the decoder ({what})"
    if unet["cross_attention_dim"] != text["hidden_size"]:
        yield (
            f"{file}: cross_attention_dim: found {unet['cross_attention_dim']}; needs the hidden_size of "
            f"{_TEXT.folder}/config.json, {text['hidden_size']}: the two belong to different models"
        )
    file = next(f for name in ("tokenizer.json", "vocab.json") if (f := folder / "tokenizer" / name).is_file())
    words = read_object(file)
    count = len(words["model"]["vocab"] if file.stem == "tokenizer" else words)
    if count > text["vocab_size"]:
        yield f"{file}: holds {count} tokens; {_TEXT.folder}/config.json has a vocab_size of {text['vocab_size']}"


FAMILY = Family(
    name="stable-diffusion",
    label="Stable Diffusion 1 or 2",
    parts=parts,
    beside={"tokenizer": ("CLIPTokenizer", "CLIPTokenizerFast"), "scheduler": ()},
    disagreements=_disagreements,
    foreign={
        "transformer": "pipelines whose denoiser is a transformer can't be read",
        "text_encoder_2": "pipelines with two text encoders can't be read",
    },
    latents=_latents,
    factor=_factor,
    package=__name__,
)
