"""How many channels each width of a U-Net keeps: plain arithmetic, nothing here knows torch.

A width is one number of channels that several layers share, so that all of them lose the same channels together.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from workbench.models.patterns import matching

Scope = Literal["blocks", "resnets", "transformers", "attention", "feed_forward", "time_embedding"]
"""Which widths: what blocks hand on to each other (and to the skips), the inside of residual blocks, what runs through
a transformer, the heads of an attention, the inside of a feed-forward, the time embedding."""
SCOPES: tuple[Scope, ...] = get_args(Scope)


@dataclass(frozen=True)
class Member:
    """A layer that has the width, on its side ``in`` or ``out``, ``times`` over (a gated linear: twice)."""

    layer: str
    side: Literal["in", "out"]
    times: int


@dataclass(frozen=True)
class Width:
    """One width. ``parts``: equal runs of channels (heads, a norm's groups) that each lose the same number.

    With ``whole`` a part goes whole or stays whole (a head).
    """

    name: str
    scope: Scope
    channels: int
    members: tuple[Member, ...]
    parts: int = 1
    whole: bool = False

    @property
    def layers(self) -> tuple[str, ...]:
        """The layers that change with it."""
        return tuple(member.layer for member in self.members)

    @property
    def makers(self) -> tuple[str, ...]:
        """The layers whose outputs it is."""
        return tuple(member.layer for member in self.members if member.side == "out")

    def step(self, round_to: int) -> int:
        """Kept channels are a multiple of this: of the parts, and of ``round_to``; with whole parts, of a part."""
        return self.channels // self.parts if self.whole else math.lcm(self.parts, round_to)


class NothingLeft(ValueError):
    """A ratio leaves a width less than the least that it can have."""


def kept(width: Width, ratio: float, round_to: int, *, at_least_one: bool = False) -> int:
    """The channels that are left when ``ratio`` of them goes: the nearest multiple of the width's step.

    A width below its step can't be made smaller and stays as it is. With ``at_least_one`` a step is always left.

    Raises:
        NothingLeft: the nearest multiple is zero.
    """
    step = width.step(round_to)
    if step > width.channels or ratio == 0:
        return width.channels
    left = width.channels * (1 - ratio)
    steps = math.floor(left / step + 0.5)
    if steps == 0 and not at_least_one:
        what = "head" if width.whole else f"step of {step}"
        rest = (
            f"{left / step:.2g} of {width.parts} heads" if width.whole else f"{left:.3g} of {width.channels} channels"
        )
        raise NothingLeft(f"{ratio:g} leaves {rest} at {width.name}, below one {what}")
    return min(max(steps, 1) * step, width.channels)


def ratio_of(width: Width, ratio: float, per_block: Mapping[str, float]) -> float:
    """The width's ratio: its own where patterns of ``per_block`` match layers that make it, else the general one.

    A width that several blocks share takes the smallest of their ratios.
    """
    own = []
    for layer in width.makers:
        own.append(min((r for pattern, r in per_block.items() if matching(pattern, [layer])), default=ratio))
    return min(own)


def plan(
    widths: Sequence[Width],
    ratio: float,
    per_block: Mapping[str, float],
    round_to: int,
    *,
    at_least_one: bool = False,
) -> dict[str, int]:
    """Kept channels by the width's name.

    Raises:
        NothingLeft: a width would have nothing left.
    """
    return {
        width.name: kept(width, ratio_of(width, ratio, per_block), round_to, at_least_one=at_least_one)
        for width in widths
    }
