"""A component as a module with fixed inputs: what the exporter traces and the check feeds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.errors import InputError
from workbench.models import guidance
from workbench.models.candidate import Candidate
from workbench.models.unet import load_unet

if TYPE_CHECKING:
    import numpy as np
    import torch


@dataclass(frozen=True)
class Spec:
    """Names, shapes and types of a component's inputs (batch 1), the name of its output, and the vocabulary's size."""

    inputs: Mapping[str, tuple[tuple[int, ...], str]]
    output: str
    vocabulary: int = 0

    def seeded(self, seed: int = 0) -> dict[str, np.ndarray]:
        """Inputs as the component may see them: normal noise, a timestep in 0…999, token ids."""
        import numpy as np

        rng = np.random.default_rng(seed)
        made: dict[str, np.ndarray] = {}
        for name, (shape, kind) in self.inputs.items():
            if kind == "int64":
                made[name] = rng.integers(0, self.vocabulary, shape, dtype=np.int64)
            elif name == "timestep":
                made[name] = rng.integers(0, 1000, shape).astype(np.float32)
            else:
                made[name] = rng.standard_normal(shape, dtype=np.float32)
        return made


def spec(candidate: Candidate, component: str) -> Spec:
    """What goes into a component and comes out, from the configs of the candidate's folders alone."""
    unet = candidate.config("unet")
    side = unet["sample_size"]
    height, width = (side, side) if isinstance(side, int) else side
    latent = (1, unet["in_channels"], height, width)
    text = candidate.config("text_encoder")
    text = text.get("text_config", text)
    length = text.get("max_position_embeddings", 77)
    if component == "unet":
        inputs: dict[str, tuple[tuple[int, ...], str]] = {
            "sample": (latent, "float32"),
            "timestep": ((1,), "float32"),
            "encoder_hidden_states": ((1, length, unet["cross_attention_dim"]), "float32"),
        }
        if candidate.guidance_width:
            inputs[guidance.INPUT] = ((1, candidate.guidance_width), "float32")
        return Spec(inputs, "out_sample")
    if component == "text_encoder":
        return Spec({"input_ids": ((1, length), "int64")}, "last_hidden_state", text["vocab_size"])
    if component == "vae_decoder":
        channels = candidate.config("vae_decoder")["latent_channels"]
        return Spec({"latent": ((1, channels, height, width), "float32")}, "picture")
    raise InputError(f"{component}: no such component", hint="one of text_encoder, unet, vae_decoder")


def load(candidate: Candidate, component: str) -> torch.nn.Module:
    """The candidate's component, as ``load_folder`` gives it."""
    return load_folder(candidate.components[component].path, component)


def load_folder(path: Path, component: str) -> torch.nn.Module:
    """The component in float32, evaluation mode, as a module that takes the spec's inputs in order.

    ``path`` is its diffusers/transformers folder.

    The U-Net and the text encoder sit in its attribute ``net``; the decoder's parts are its own attributes.
    """
    import torch
    import transformers
    from diffusers import AutoencoderKL
    from transformers import CLIPTextModel

    class Unet(torch.nn.Module):
        def __init__(self, net: torch.nn.Module) -> None:
            super().__init__()
            self.net = net

        def forward(
            self,
            sample: torch.Tensor,
            timestep: torch.Tensor,
            states: torch.Tensor,
            timestep_cond: torch.Tensor | None = None,
        ) -> torch.Tensor:
            return self.net(sample, timestep, states, timestep_cond=timestep_cond, return_dict=False)[0]

    class Text(torch.nn.Module):
        def __init__(self, net: torch.nn.Module) -> None:
            super().__init__()
            self.net = net

        def forward(self, input_ids: torch.Tensor) -> torch.Tensor:
            return self.net(input_ids=input_ids).last_hidden_state

    class Decoder(torch.nn.Module):
        def __init__(self, vae: Any) -> None:
            super().__init__()
            self.post_quant_conv = vae.post_quant_conv
            self.decoder = vae.decoder

        def forward(self, latent: torch.Tensor) -> torch.Tensor:
            return self.decoder(latent if self.post_quant_conv is None else self.post_quant_conv(latent))

    transformers.utils.logging.disable_progress_bar()
    options: dict[str, Any] = {"use_safetensors": True, "local_files_only": True}
    made: torch.nn.Module
    if component == "unet":
        made = Unet(load_unet(path))
    elif component == "text_encoder":
        made = Text(CLIPTextModel.from_pretrained(path, **options))
    else:
        made = Decoder(AutoencoderKL.from_pretrained(path, **options))
    return made.float().eval().requires_grad_(False)


def wrapper_of(component: str) -> str:
    """The attribute of ``load``'s module that holds the component itself; "" where its parts are attributes."""
    return "" if component == "vae_decoder" else "net"
