"""What a U-Net's blocks cost, from its config alone, so that a budget can be checked before any work.

Exact for the blocks of Stable Diffusion's U-Nets (the tests compare it with the count of the network itself); other
kinds aren't known here. The search itself counts the network.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from workbench.compress.remove_blocks.layouts import blocks_of
from workbench.compress.remove_blocks.search.units import MIDDLE, Amounts, Ledger, Reach

_KNOWN = {"DownBlock2D", "CrossAttnDownBlock2D", "UpBlock2D", "CrossAttnUpBlock2D", "UNetMidBlock2DCrossAttn", None}
_PLAIN: dict[str, Any] = dict.fromkeys(
    ("class_embed_type", "addition_embed_type", "time_embedding_dim", "encoder_hid_dim", "time_cond_proj_dim")
)
_PLAIN |= {"dual_cross_attention": False, "resnet_time_scale_shift": "default"}
"""Settings under which the formulas below hold."""
TOKENS = (1, 77)
"""Shortest and longest prompt of CLIP, which a U-Net's config doesn't have: a budget is refused if both fail."""


def least_share(config: Mapping[str, Any], measure: str) -> float | None:
    """The least share that can be left of ``params`` or ``macs``; None where it isn't known."""
    if measure == "latency" or config_layers(config, 1) is None:
        return None
    ledgers = [Ledger(config, partial(_known_layers, tokens=tokens)) for tokens in TOKENS]
    return min(Reach(config, ledger, measure).least() for ledger in ledgers)


def unreachable(measure: str, share: float, least: float) -> str:
    """That a budget can't be met, and what could be."""
    what = {"params": "parameters", "macs": "MACs", "latency": "kernel time"}[measure]
    return (
        f"{share:g} can't be reached by removing blocks: with everything gone that can go, no less than {least:.3f} of "
        f"the {what} is left; needs more than that (prune takes away more)"
    )


def _known_layers(config: Mapping[str, Any], tokens: int) -> Mapping[str, Amounts]:
    return config_layers(config, tokens) or {}


def config_layers(config: Mapping[str, Any], tokens: int) -> dict[str, Amounts] | None:
    """Parameters and MACs (attention's products included) of every block and of the rest; None where unknown."""
    kinds = {*config["down_block_types"], *config["up_block_types"], config.get("mid_block_type")}
    if kinds - _KNOWN or any(config.get(key, plain) != plain for key, plain in _PLAIN.items()):
        return None
    if not isinstance(config.get("cross_attention_dim"), int):
        return None
    return {name: {"params": float(p), "macs": float(m), "latency": 0.0} for name, (p, m) in _layers(config, tokens)}


def _layers(config: Mapping[str, Any], tokens: int) -> Iterator[tuple[str, tuple[int, int]]]:
    channels: list[int] = list(config["block_out_channels"])
    levels, first, last = len(channels), channels[0], channels[-1]
    area, temb = _area(config["sample_size"]), 4 * first
    text = int(config["cross_attention_dim"])
    depths = _per_level(config.get("transformer_layers_per_block", 1), levels)
    outside = _conv(config["in_channels"], first, area), _conv(first, config["out_channels"], area)
    yield "conv_in", outside[0]
    yield "conv_out", (outside[1][0] + 2 * first, outside[1][1])
    yield "time_embedding", ((first + 1) * temb + (temb + 1) * temb, first * temb + temb * temb)
    for name in blocks_of(config):
        parts = name.split(".")
        side, i = parts[0], int(parts[1]) if len(parts) > 1 else levels - 1
        level = i if side != "up_blocks" else levels - 1 - i
        width, here = channels[level], area // 4**level
        if name == MIDDLE:
            for n in (0, 1):
                yield f"{name}.resnets.{n}", _resnet(last, last, temb, here)
            yield f"{name}.attentions.0", _attention(last, here, text, tokens, depths[-1])
        elif "downsamplers" in name:
            yield name, _conv(width, width, here // 4)
        elif "upsamplers" in name:
            yield name, _conv(width, width, here * 4)
        elif "attentions" in name:
            yield name, _attention(width, here, text, tokens, depths[level])
        elif "resnets" in name:
            inside = _inputs(config, side, level, int(parts[3]))
            yield name, _resnet(inside, width, temb, here)


def _inputs(config: Mapping[str, Any], side: str, level: int, index: int) -> int:
    """Channels that a resnet takes in, the skip among them."""
    channels = list(config["block_out_channels"])
    above, below = channels[max(level - 1, 0)], channels[min(level + 1, len(channels) - 1)]
    if side == "down_blocks":
        return above if index == 0 else channels[level]
    last = _per_level(config["layers_per_block"], len(channels))[level]
    return (below if index == 0 else channels[level]) + (above if index == last else channels[level])


def _conv(inside: int, outside: int, area: int) -> tuple[int, int]:
    return (9 * inside + 1) * outside, 9 * inside * outside * area


def _resnet(inside: int, outside: int, temb: int, area: int) -> tuple[int, int]:
    params = 2 * inside + 2 * outside + (9 * inside + 1 + temb + 1 + 9 * outside + 1) * outside
    macs = (9 * inside + 9 * outside) * outside * area + temb * outside
    if inside != outside:
        params, macs = params + (inside + 1) * outside, macs + inside * outside * area
    return params, macs


def _attention(c: int, area: int, text: int, tokens: int, depth: int) -> tuple[int, int]:
    """Projections in and out; per transformer block self- and cross-attention, GEGLU and its way back, three norms."""
    square = c * c
    block = (4 + 2 + 12) * square + 2 * text * c + (2 + 9 + 6) * c
    macs = area * (4 + 2 + 12) * square + 2 * tokens * text * c + 2 * area * c * (area + tokens)
    return 2 * c + 2 * (square + c) + depth * block, 2 * area * square + depth * macs


def _area(side: int | Sequence[int]) -> int:
    return side * side if isinstance(side, int) else side[0] * side[1]


def _per_level(value: int | Sequence[int], levels: int) -> list[int]:
    return [value] * levels if isinstance(value, int) else list(value)
