"""The widths of a U-Net told from its config alone, near enough for checking a recipe before any work.

The graph that decides in the end is traced from the network itself (``prune_graph``); what blocks share is not told
here, so that every block has widths of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from workbench.compress.prune.plan import Member, Scope, Width
from workbench.compress.remove_blocks.layouts import blocks_of

_KNOWN = {"DownBlock2D", "CrossAttnDownBlock2D", "UpBlock2D", "CrossAttnUpBlock2D"}


def told_widths(config: Mapping[str, Any], whole_heads: bool) -> list[Width]:
    """The widths by the config; none where it has blocks of which nothing is known here."""
    kinds = {*config["down_block_types"], *config["up_block_types"]}
    depth = config.get("transformer_layers_per_block") or 1
    if kinds - _KNOWN or config.get("mid_block_type") not in (None, "UNetMidBlock2DCrossAttn") or depth != 1:
        return []
    channels = list(config["block_out_channels"])
    heads = _per_level(config.get("num_attention_heads") or config.get("attention_head_dim") or 8, len(channels))
    groups = config.get("norm_num_groups") or 1
    found = [
        _width("time_embedding.linear_1", "time_embedding", 4 * channels[0], 1, ("",)),
        _width("time_embedding.linear_2", "time_embedding", 4 * channels[0], 1, ("",)),
        _width("conv_in", "blocks", channels[0], groups, ("",)),
    ]
    middle = ["mid_block.resnets.0", "mid_block.attentions.0", "mid_block.resnets.1"]
    for block in [part for name in blocks_of(config) for part in (middle if name == "mid_block" else [name])]:
        level = _level(block, len(channels))
        if "resnets" in block:
            found += _resnet(block, channels[level], groups)
        elif "samplers" in block:
            found.append(_width(f"{block}.conv", "blocks", channels[level], groups, ("",)))
        elif "attentions" in block:
            found += _transformer(block, channels[level], heads[level], groups, whole_heads)
    return found


def _resnet(block: str, width: int, groups: int) -> Iterator[Width]:
    yield _width(f"{block}.conv1", "resnets", width, groups, (".conv1", ".time_emb_proj"), (".norm2", ".conv2"), block)
    yield _width(f"{block}.conv2", "blocks", width, groups, (".conv2",), (".norm1", ".conv1"), block)


def _transformer(block: str, width: int, heads: int, groups: int, whole: bool) -> Iterator[Width]:
    inner = f"{block}.transformer_blocks.0"
    yield _width(f"{block}.proj_out", "blocks", width, groups, (".proj_out",), (".norm", ".proj_in"), block)
    norms = tuple(f".transformer_blocks.0.norm{i}" for i in (1, 2, 3))
    through = (".proj_in", ".transformer_blocks.0.ff.net.2")
    yield _width(f"{block}.proj_in", "transformers", width, 1, through, (".proj_out", *norms), block)
    for attention in (f"{inner}.attn1", f"{inner}.attn2"):
        projections = (".to_q", ".to_k", ".to_v")
        yield replace(_width(attention, "attention", width, heads, projections, (".to_out.0",)), whole=whole)
    yield _width(f"{inner}.ff", "feed_forward", 4 * width, 1, (".net.0.proj",), (".net.2",))


def _width(
    name: str,
    scope: Scope,
    channels: int,
    parts: int,
    made: tuple[str, ...],
    taken: tuple[str, ...] = (),
    within: str | None = None,
) -> Width:
    """A width whose layers are named from ``within`` on, by default from its own name."""
    inside = name if within is None else within
    members = [Member(inside + end, "out", 1) for end in made] + [Member(inside + end, "in", 1) for end in taken]
    return Width(name, scope, channels, tuple(members), parts)


def _level(block: str, levels: int) -> int:
    if block.startswith("mid_block"):
        return levels - 1
    side, index = block.split(".")[:2]
    return int(index) if side == "down_blocks" else levels - 1 - int(index)


def _per_level(value: Any, levels: int) -> list[int]:
    return [value] * levels if isinstance(value, int) else list(value)
