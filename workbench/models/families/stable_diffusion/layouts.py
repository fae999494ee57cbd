"""BK-SDM's layouts: which blocks of Stable Diffusion's U-Net go (arXiv 2305.15798 and its src/unet_config*)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def _pairs(side: str, levels: Sequence[int], attention: bool) -> list[str]:
    kinds = ("resnets", "attentions") if attention else ("resnets",)
    return [f"{side}_blocks.{level}.{kind}.1" for level in levels for kind in kinds]


_DOWN, _UP = _pairs("down", (0, 1, 2), True), _pairs("up", (1, 2, 3), True)
_BASE = [*_DOWN, *_pairs("down", (3,), False), *_pairs("up", (0,), False), *_UP]

LAYOUTS: Mapping[str, tuple[str, ...]] = {
    "bk-base": tuple(_BASE),
    "bk-small": (*_BASE, "mid_block"),
    "bk-tiny": (*_DOWN, *_UP, "mid_block", "down_blocks.3", "down_blocks.2.downsamplers.0", "up_blocks.0"),
}
