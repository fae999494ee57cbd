"""What a quantization leaves as it is, by the sets that families publish and by patterns, and what that costs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from workbench.errors import InputError, nearest
from workbench.models.families import policies
from workbench.models.patterns import matching

if TYPE_CHECKING:
    import torch

    Policy = str
else:
    Policy = Literal[tuple(policies())]


@dataclass(frozen=True)
class Layer:
    """A layer that can be quantized: its path, "Conv" or "Linear", elements of its weight, MACs of one pass."""

    path: str
    kind: str
    weights: int
    macs: int


def exempt(
    layers: Sequence[Layer],
    policy: Policy,
    patterns: Iterable[str] = (),
    key: str = "quantize.exempt.patterns",
    component: str = "the denoiser",
) -> dict[str, str]:
    """Exempt layers with the reason: ``policy NAME`` or ``pattern REGEX``.

    ``key`` and ``component`` are what an error names: the recipe's key of ``patterns``, and whose ``layers`` those are.

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
                f"{key}: {pattern!r} matches none of {component}'s {len(layers)} layers",
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


def quantizable_layers(unet: torch.nn.Module, tokens: int = 77) -> list[Layer]:
    """The convolutions and linears that a pass of a diffusers U-Net calls, with MACs at its ``sample_size``, batch 1.

    Works on the meta device: no weights and no arithmetic are needed.
    """
    import torch

    layers: dict[str, Layer] = {}

    def note(path: str, module: Any) -> Any:
        def hook(_module: torch.nn.Module, _inputs: Any, out: torch.Tensor) -> None:
            weights = module.weight.numel()
            if isinstance(module, torch.nn.Conv2d):
                layers[path] = Layer(path, "Conv", weights, weights * out.shape[-2] * out.shape[-1])
            else:
                layers[path] = Layer(path, "Linear", weights, weights * (out.numel() // out.shape[-1]))

        return hook

    hooks = [
        module.register_forward_hook(note(path, module))
        for path, module in unet.named_modules()
        if isinstance(module, torch.nn.Conv2d | torch.nn.Linear)
    ]
    device = next(unet.parameters()).device
    config: Any = unet.config
    side = config.sample_size
    height, width = (side, side) if isinstance(side, int) else side
    try:
        with torch.no_grad():
            unet(
                torch.zeros(1, config.in_channels, height, width, device=device),
                torch.zeros(1, device=device),
                torch.zeros(1, tokens, config.cross_attention_dim, device=device),
            )
    finally:
        for handle in hooks:
            handle.remove()
    return [layers[path] for path, _ in unet.named_modules() if path in layers]
