"""Stable Diffusion's three components."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.errors import InputError
from workbench.models import guidance, unet
from workbench.models.families.base import PASSES, TIMESTEPS, Config, Configs, Part, Spec
from workbench.models.weights import Shape, load_tensors, weight_files
from workbench.models.widths import FILE, read_widths

if TYPE_CHECKING:
    import torch

    from workbench.models.checked import NetworkConfig

_TOKENS = 77
"""Length of a prompt where the text encoder's config doesn't say."""
_ATTENTION = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}
"""What the projections of an autoencoder's attention were called before diffusers 0.14, and are now."""


class _Known(Part):
    """A part whose configs are known."""

    def schema(self, config: Config) -> type[NetworkConfig]:
        """By the class."""
        from workbench.models.families.stable_diffusion.configs import SCHEMAS

        return SCHEMAS[self.class_of(config)]


class TextEncoder(_Known):
    """CLIP's text encoder: token ids to a state for each token."""

    name, label, role, folder = "text_encoder", "text encoder", "prompt encoder", "text_encoder"
    library, cls = "transformers", "CLIPTextModel"
    repeats = (PASSES,)

    def spec(self, configs: Configs) -> Spec:
        """Ids [1, tokens] to states [1, tokens, width]."""
        text = configs(self.name)
        return Spec(
            {"input_ids": ((1, _length(text)), "int64")},
            "last_hidden_state",
            text["vocab_size"],
            free={"input_ids": (1,)},
        )

    def completed(self, config: Config) -> Config:
        """CLIP's own config, which older files hold in that of the whole model."""
        text = config.get("text_config")
        return text if isinstance(text, dict) else config

    def trained(self, folder: Path) -> Any:
        """A ``CLIPTextModel``."""
        import transformers
        from transformers import CLIPTextConfig, CLIPTextModel

        transformers.utils.logging.disable_progress_bar()  # its bar for reading a few weights would break ours
        config = CLIPTextConfig.from_pretrained(folder, local_files_only=True)
        weights = load_tensors(weight_files(folder, self.stem))
        return CLIPTextModel.from_pretrained(None, config=config, state_dict=weights)

    def empty(self, config: Config, _folder: Path | None = None) -> Any:
        """With the attention that is run in products."""
        import torch
        from transformers import CLIPTextConfig, CLIPTextModel

        known = CLIPTextConfig(
            **{k: v for k, v in config.items() if k not in ("architectures", "dtype", "torch_dtype")}
        )
        known._attn_implementation = "sdpa"
        with torch.device("meta"):
            return CLIPTextModel(known).eval()

    def module(self, net: Any) -> torch.nn.Module:
        """The states alone."""
        import torch

        class Text(torch.nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.net = net

            def forward(self, input_ids: torch.Tensor) -> torch.Tensor:
                return self.net(input_ids=input_ids).last_hidden_state

        return Text()

    def renamed(self, tensor: str) -> str:
        """Without the prefix that the files of older libraries have."""
        return tensor.removeprefix("text_model.")


class Unet(_Known):
    """The denoiser; one that was distilled to few steps takes the strength of guidance as well."""

    name, label, role, folder = "unet", "U-Net", "denoiser", "unet"
    library, cls = "diffusers", unet.CLASS
    repeats = (TIMESTEPS, PASSES)

    def spec(self, configs: Configs) -> Spec:
        """A latent [1, C, h, w], a timestep [1] and text states to what is predicted of the noise."""
        config = configs(self.name)
        inputs: dict[str, tuple[tuple[int, ...], str]] = {
            "sample": ((1, config["in_channels"], *_sides(config)), "float32"),
            "timestep": ((1,), "float32"),
            "encoder_hidden_states": (
                (1, _length(configs(TextEncoder.name)), config["cross_attention_dim"]),
                "float32",
            ),
        }
        if config.get(guidance.FIELD):
            inputs[guidance.INPUT] = ((1, config[guidance.FIELD]), "float32")
        free = {"sample": (2, 3), "encoder_hidden_states": (1,)}
        return Spec(inputs, "out_sample", time="timestep", free=free)

    def completed(self, config: Config) -> Config:
        """With its ``sample_size``."""
        return unet.completed(config)

    def notes(self, config: Config) -> Iterator[str]:
        """Where ``sample_size`` isn't what the file says."""
        taken = unet.completed(config)["sample_size"]
        if config.get("sample_size") != taken:
            yield f"sample_size: found {config.get('sample_size', 'none')}, taken as {taken}"

    def trained(self, folder: Path) -> Any:
        """A ``UNet2DConditionModel``, with the widths that pruning left."""
        return unet.load_unet(folder)

    def empty(self, config: Config, folder: Path | None = None) -> Any:
        """With the widths that pruning left."""
        return unet.meta_unet(config, read_widths(folder) if folder else None)

    def module(self, net: Any) -> torch.nn.Module:
        """By position, the strength of guidance last."""
        import torch

        class Denoiser(torch.nn.Module):
            def __init__(self) -> None:
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

        return Denoiser()

    def tensors(self, known: NetworkConfig, folder: Path) -> Mapping[str, Shape]:
        """With the widths that pruning left."""
        tensors, widths = known.tensors(), read_widths(folder)
        for name, (inside, outside) in (widths.layers if widths else {}).items():
            if f"{name}.weight" not in tensors:
                raise InputError(f"{folder / FILE}: names {name}, which this U-Net hasn't")
            sides = (outside, inside)[: len(tensors[f"{name}.weight"])]
            tensors[f"{name}.weight"] = (*sides, *tensors[f"{name}.weight"][2:])
            if f"{name}.bias" in tensors:
                tensors[f"{name}.bias"] = (outside,)
        return tensors


class Decoder(_Known):
    """The decoding half of the autoencoder, which lies in the folder of both."""

    name, label, role, folder = "vae_decoder", "decoder", "decoder", "vae"
    library, cls, also = "diffusers", "AutoencoderKL", ("AutoencoderTiny",)
    wrapper = ""

    def spec(self, configs: Configs) -> Spec:
        """A latent [1, C, h, w] to a picture [1, 3, H, W] from -1 to 1."""
        shape = (1, configs(self.name)["latent_channels"], *_sides(configs(Unet.name)))
        return Spec({"latent": (shape, "float32")}, "picture", free={"latent": (2, 3)})

    def trained(self, folder: Path) -> Any:
        """An autoencoder, its encoder included."""
        net = self.empty(self.config(folder))
        loaded = load_tensors(weight_files(folder, self.stem))
        weights = {self.renamed(name): value for name, value in loaded.items()}
        if lacking := net.load_state_dict(weights, strict=False, assign=True).missing_keys:
            raise InputError(f"{folder}: the weights lack {lacking[0]}")
        return net

    def empty(self, config: Config, _folder: Path | None = None) -> Any:
        """Its encoder included."""
        import diffusers
        import torch

        kind = getattr(diffusers, self.class_of(config))
        with torch.device("meta"):
            return kind(**{k: v for k, v in config.items() if k in inspect.signature(kind).parameters}).eval()

    def module(self, net: Any) -> torch.nn.Module:
        """Without the encoder."""
        import torch

        class Decoding(torch.nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.post_quant_conv = getattr(net, "post_quant_conv", None)
                self.decoder = net.decoder

            def forward(self, latent: torch.Tensor) -> torch.Tensor:
                return self.decoder(latent if self.post_quant_conv is None else self.post_quant_conv(latent))

        return Decoding()

    def renamed(self, tensor: str) -> str:
        """With the names that the projections of attention have now."""
        return re.sub(rf"(?<=attentions\.0\.)({'|'.join(_ATTENTION)})(?=\.)", lambda m: _ATTENTION[m[1]], tensor)


def _length(text: Config) -> int:
    return int(text.get("max_position_embeddings", _TOKENS))


def _sides(config: Config) -> tuple[int, int]:
    """Height and width of a latent: a U-Net's ``sample_size`` is one number or a list of both."""
    side = config["sample_size"]
    return (side, side) if isinstance(side, int) else (int(side[0]), int(side[1]))
