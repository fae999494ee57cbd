"""What a quantization leaves as it is, by the sets that families publish and by patterns, and what that costs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from workbench.errors import InputError, nearest
from workbench.models.families import policies
from workbench.models.patterns import matching

if TYPE_CHECKING:
    Policy = str
else:
    Policy = Literal[tuple(policies())]


@dataclass(frozen=True)
class Layer:
    """A layer that can be quantized: its path, elements of its weight, MACs of one pass."""

    path: str
    weights: int
    macs: int


def exempt(
    layers: Sequence[Layer],
    policy: Policy,
    patterns: Iterable[str] = (),
    component: str = "the denoiser",
) -> dict[str, str]:
    """Exempt layers with the reason: ``policy NAME`` or ``pattern REGEX``.

    ``component``: whose ``layers`` those are, for an error.

    Raises:
        InputError: one of ``patterns`` matches no layer. (A policy's own may: it is written for other networks too.)
    """
    paths = [layer.path for layer in layers]
    reasons: dict[str, str] = {}
    for pattern in policies()[policy].patterns:
        reasons.update(dict.fromkeys(matching(pattern, paths), f"policy {policy}"))
    for pattern in patterns:
        hits = matching(pattern, paths)
        if not hits:
            near = nearest(pattern, paths, however_far=True)
            raise InputError(
                f"quantize.exempt.patterns: {pattern!r} matches none of {component}'s {len(layers)} layers",
                hint=f"the layer with the nearest path is {near}" if near else None,
            )
        for path in hits:
            reasons.setdefault(path, f"pattern {pattern}")
    return reasons


def cost(layers: Sequence[Layer], chosen: Iterable[str]) -> dict[str, Any]:
    """What leaving ``chosen`` out costs: number of layers, shares (0…1) of all weights and of all MACs."""
    names = set(chosen)
    out = [layer for layer in layers if layer.path in names]
    weights, macs = (sum(getattr(layer, what) for layer in layers) or 1 for what in ("weights", "macs"))
    return {
        "layers": len(out),
        "weights_share": sum(layer.weights for layer in out) / weights,
        "macs_share": sum(layer.macs for layer in out) / macs,
    }
