"""The widths of a pruned U-Net: what diffusers' config can't say, as a JSON file beside it.

``config.json`` still describes the U-Net before pruning; ``widths.json`` names every layer whose width differs from it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.errors import InputError
from workbench.store.files import write_atomic

if TYPE_CHECKING:
    import torch

FILE = "widths.json"
VERSION = 1
PRUNED = "_pruned"
"""Marks a U-Net's config in the check of a recipe: its widths will be known only when the recipe has run."""


@dataclass(frozen=True)
class Widths:
    """``layers``: path of a convolution, linear or norm to its channels [in, out] (a norm has both alike).

    ``heads``: path of an attention to its number of heads, where heads went whole. ``kept``: path of a layer to the
    channels of the unpruned U-Net that its outputs still are, for the layers by which blocks hand on their features.
    """

    layers: Mapping[str, tuple[int, int]]
    heads: Mapping[str, int] = field(default_factory=dict)
    kept: Mapping[str, tuple[int, ...]] = field(default_factory=dict)


def read_widths(folder: Path) -> Widths | None:
    """The widths of the U-Net in ``folder``; None where its config says it all.

    Raises:
        InputError: the file can't be read, or is of another version.
    """
    file = folder / FILE
    if not file.is_file():
        return None
    try:
        record = json.loads(file.read_text(encoding="utf-8"))
        version = record["version"]
        layers = {str(name): (_width(pair[0]), _width(pair[1])) for name, pair in record["layers"].items()}
        heads = {str(name): _width(count) for name, count in record["heads"].items()}
        kept = {str(name): tuple(int(i) for i in channels) for name, channels in record["kept"].items()}
    except (OSError, ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        raise InputError(f"{file}: can't be read as the widths of a pruned U-Net ({error})") from None
    if version != VERSION:
        raise InputError(f"{file}: found version {version!r}; this workbench reads version {VERSION}")
    return Widths(layers, heads, kept)


def write_widths(widths: Widths, folder: Path) -> None:
    """Writes ``widths.json`` into a U-Net's folder."""
    write_atomic(folder / FILE, json.dumps({"version": VERSION, **asdict(widths)}) + "\n")


def widths_of(unet: torch.nn.Module, before: torch.nn.Module, kept: Mapping[str, tuple[int, ...]]) -> Widths:
    """The widths of ``unet`` where they differ from those of ``before``, a U-Net of the same config."""
    unpruned = dict(before.named_modules())
    layers, heads = {}, {}
    for name, module in unet.named_modules():
        channels = channels_of(module)
        if channels is not None and channels != channels_of(unpruned[name]):
            layers[name] = channels
        if is_attention(module) and module.heads != unpruned[name].heads:
            heads[name] = int(module.heads)
    return Widths(layers, heads, kept)


def set_widths(unet: torch.nn.Module, widths: Widths) -> None:
    """Gives the layers of ``unet`` these widths; their weights' values are lost (best on the meta device).

    Raises:
        InputError: a layer isn't there, or is of a kind that has no such width.
    """
    import torch

    for name, (inside, outside) in widths.layers.items():
        module: Any = _submodule(unet, name)
        if channels_of(module) is None:
            raise InputError(f"{FILE}: {name} is a {type(module).__name__}, which has no channels to set")
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
    for name, count in widths.heads.items():
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
        raise InputError(f"{FILE}: names {name}, which this U-Net hasn't") from None


def _width(value: object) -> int:
    if not isinstance(value, int) or value < 1:
        raise ValueError(f"found {value!r} for a width")
    return value
