"""The widths of a U-Net as far as its config gives them, for checking a recipe before any work.

The step itself traces the network (``prune.graph``), which also shows which blocks share a width; here every block has
its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from workbench.compress.prune.plan import Member, Scope, Width
from workbench.compress.remove_blocks.layouts import blocks_of

_KNOWN = {"DownBlock2D", "CrossAttnDownBlock2D", "UpBlock2D", "CrossAttnUpBlock2D"}


def config_widths(config: Mapping[str, Any], whole_heads: bool) -> list[Width]:
    """The widths; none where the config has a kind of block that isn't known here."""
    kinds = {*config["down_block_types"], *config["up_block_types"]}
    depth = config.get("transformer_layers_per_block") or 1
    if kinds - _KNOWN or config.get("mid_block_type") not in (None, "UNetMidBlock2DCrossAttn") or depth != 1:
        return []
    channels = list(config["block_out_channels"])
    heads = _per_level(config.get("num_attention_heads") or config.get("attention_head_dim") or 8, len(channels))
    groups = config.get("norm_num_groups") or 1
    widths = [
        _alone("time_embedding.linear_1", "time_embedding", 4 * channels[0], 1),
        _alone("time_embedding.linear_2", "time_embedding", 4 * channels[0], 1),
        _alone("conv_in", "blocks", channels[0], groups),
    ]
    middle = ["mid_block.resnets.0", "mid_block.attentions.0", "mid_block.resnets.1"]
    for block in [part for name in blocks_of(config) for part in (middle if name == "mid_block" else [name])]:
        level = _level(block, len(channels))
        if "resnets" in block:
            widths += _resnet(block, channels[level], groups)
        elif "samplers" in block:
            widths.append(_alone(f"{block}.conv", "blocks", channels[level], groups))
        elif "attentions" in block:
            widths += _transformer(block, channels[level], heads[level], groups, whole_heads)
    return widths


def _resnet(block: str, width: int, groups: int) -> Iterator[Width]:
    inner = _members(block, (".conv1", ".time_emb_proj"), (".norm2", ".conv2"))
    outer = _members(block, (".conv2",), (".norm1", ".conv1"))
    yield Width(f"{block}.conv1", "resnets", width, inner, groups)
    yield Width(f"{block}.conv2", "blocks", width, outer, groups)


def _transformer(block: str, width: int, heads: int, groups: int, whole: bool) -> Iterator[Width]:
    inner = f"{block}.transformer_blocks.0"
    around = _members(block, (".proj_out",), (".norm", ".proj_in"))
    yield Width(f"{block}.proj_out", "blocks", width, around, groups)
    norms = tuple(f".transformer_blocks.0.norm{i}" for i in (1, 2, 3))
    through = _members(block, (".proj_in", ".transformer_blocks.0.ff.net.2"), (".proj_out", *norms))
    yield Width(f"{block}.proj_in", "transformers", width, through, 1)
    for attention in (f"{inner}.attn1", f"{inner}.attn2"):
        projections = _members(attention, (".to_q", ".to_k", ".to_v"), (".to_out.0",))
        yield Width(attention, "attention", width, projections, heads, whole=whole)
    feed = _members(f"{inner}.ff", (".net.0.proj",), (".net.2",))
    yield Width(f"{inner}.ff", "feed_forward", 4 * width, feed, 1)


def _alone(layer: str, scope: Scope, channels: int, parts: int) -> Width:
    """The width that one layer makes, of whose consumers nothing is known."""
    return Width(layer, scope, channels, _members(layer, ("",)), parts)


def _members(within: str, made: tuple[str, ...], taken: tuple[str, ...] = ()) -> tuple[Member, ...]:
    """The layers that make a width's channels and those that take them, by the ends of their names after ``within``."""
    makers = tuple(Member(within + end, "out", 1) for end in made)
    return makers + tuple(Member(within + end, "in", 1) for end in taken)


def _level(block: str, levels: int) -> int:
    if block.startswith("mid_block"):
        return levels - 1
    side, index = block.split(".")[:2]
    return int(index) if side == "down_blocks" else levels - 1 - int(index)


def _per_level(value: Any, levels: int) -> list[int]:
    return [value] * levels if isinstance(value, int) else list(value)
