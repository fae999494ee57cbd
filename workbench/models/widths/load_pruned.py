"""A pruned U-Net as torch builds it: needs diffusers and nothing of workbench, and is shipped beside such a U-Net.

A pruned layer is narrower than ``unet/config.json`` says, so that ``from_pretrained`` alone can't load it;
``unet/widths.json`` names the layers. ``load(FOLDER)`` gives the pipeline.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


def load(folder: str | Path) -> Any:
    """diffusers' pipeline of a shipped folder, in float32."""
    import torch
    from diffusers import DiffusionPipeline, UNet2DConditionModel
    from safetensors.torch import load_file

    (place,) = (file.parent for file in Path(folder).glob("*/widths.json"))
    widths = json.loads((place / "widths.json").read_text(encoding="utf-8"))
    with torch.device("meta"):
        unet = UNet2DConditionModel.from_config(UNet2DConditionModel.load_config(place))
        narrow(unet, widths["layers"], widths["heads"])
    weights = {name: value for file in sorted(place.glob("*.safetensors")) for name, value in load_file(file).items()}
    unet.load_state_dict(weights, assign=True)
    unet = unet.float().eval()
    made = {place.name: unet, "torch_dtype": torch.float32, "local_files_only": True}
    return DiffusionPipeline.from_pretrained(folder, **made)


def narrow(unet: torch.nn.Module, layers: Mapping[str, Sequence[int]], heads: Mapping[str, int]) -> None:
    """Gives layers their channels [in, out] and attentions their heads, by path; weights' values are lost.

    Raises:
        ValueError: a layer isn't there, or is of a kind that has no such width.
    """
    import torch

    for name, (inside, outside) in layers.items():
        module: Any = _submodule(unet, name)
        if channels_of(module) is None:
            raise ValueError(f"{name} is a {type(module).__name__}, which has no channels to set")
        if isinstance(module, torch.nn.Conv2d):
            module.in_channels, module.out_channels = inside, outside
            shape: tuple[int, ...] = (outside, inside, *module.kernel_size)
        elif isinstance(module, torch.nn.Linear):
            module.in_features, module.out_features = inside, outside
            shape = (outside, inside)
        elif isinstance(module, torch.nn.GroupNorm):
            module.num_channels, shape = outside, (outside,)
        else:
            module.normalized_shape, shape = (outside,), (outside,)
        for part, size in (("weight", shape), ("bias", (outside,))):
            old = getattr(module, part)
            if old is not None:
                setattr(module, part, torch.nn.Parameter(torch.empty(size, dtype=old.dtype, device=old.device)))
    for name, count in heads.items():
        attention: Any = _submodule(unet, name)
        attention.heads = count
    agree(unet)


def agree(unet: torch.nn.Module) -> None:
    """Sets what diffusers' modules remember of their layers' widths to what those layers now have."""
    for module in unet.modules():
        kind = type(module).__name__
        layer: Any = module
        if kind in ("Upsample2D", "Downsample2D") and hasattr(layer, "conv"):
            layer.channels, layer.out_channels = layer.conv.in_channels, layer.conv.out_channels
        elif kind == "ResnetBlock2D":
            layer.in_channels, layer.out_channels = layer.conv1.in_channels, layer.conv2.out_channels
        elif kind == "Transformer2DModel" and hasattr(layer, "proj_in"):
            layer.inner_dim, layer.in_channels = layer.proj_in.weight.shape[:2]
            layer.out_channels = layer.proj_out.weight.shape[0]
        elif is_attention(module):
            layer.query_dim, layer.inner_dim = layer.to_q.in_features, layer.to_q.out_features
            layer.cross_attention_dim, layer.inner_kv_dim = layer.to_k.in_features, layer.to_k.out_features
            layer.out_dim = layer.to_out[0].out_features
            # The explicit processor divides by this one, the fused kernel by the width that it finds.
            layer.scale = (layer.inner_dim // layer.heads) ** -0.5


def channels_of(module: Any) -> tuple[int, int] | None:
    """Channels in and out of a convolution, linear or norm; None for any other module."""
    import torch

    if isinstance(module, torch.nn.Conv2d):
        return module.in_channels, module.out_channels
    if isinstance(module, torch.nn.Linear):
        return module.in_features, module.out_features
    if isinstance(module, torch.nn.GroupNorm):
        return module.num_channels, module.num_channels
    if isinstance(module, torch.nn.LayerNorm):
        return module.normalized_shape[0], module.normalized_shape[0]
    return None


def is_norm(module: object) -> bool:
    """Whether it is a norm, which has one number of channels for both sides."""
    import torch

    return isinstance(module, torch.nn.GroupNorm | torch.nn.LayerNorm)


def is_attention(module: object) -> bool:
    """Whether it is diffusers' attention with its projections."""
    return type(module).__name__ == "Attention" and hasattr(module, "to_q")


def _submodule(unet: torch.nn.Module, name: str) -> torch.nn.Module:
    try:
        return unet.get_submodule(name)
    except AttributeError:
        raise ValueError(f"names {name}, which this U-Net hasn't") from None
