"""Which layers a quantization leaves as they are: named exemption sets as data, and what an exemption costs.

Sources: NVIDIA ModelOpt's filter for diffusion U-Nets; first and last layer as in PTQD (arXiv 2305.10657) and
EfficientDM (2310.03270); time embedding as in TFMQ-DM (2311.16503); skip shortcuts of Q-Diffusion (2302.04304);
``sensitive`` follows the list of float activations that MixDQ (2405.17873) publishes for SDXL-Turbo.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from workbench.errors import InputError

if TYPE_CHECKING:
    import torch

Policy = Literal["none", "edges", "time", "edges_time", "shortcuts", "text_kv", "ff_out", "sensitive", "nvidia"]

_EDGES = (r"^conv_in$", r"^conv_out$")
_TIME = (r"time_embedding", r"time_emb_proj", r"add_embedding")

POLICIES: Mapping[Policy, tuple[str, ...]] = {
    "none": (),
    "edges": _EDGES,
    "time": _TIME,
    "edges_time": (*_EDGES, *_TIME),
    "shortcuts": (r"conv_shortcut",),
    "text_kv": (r"attn2\.to_[kv]$",),
    "ff_out": (r"ff\.net\.2$",),
    "sensitive": (*_EDGES, r"^down_blocks\.0\.resnets\.0\.conv2$", r"ff\.net\.2$"),
    "nvidia": (*_TIME, *_EDGES, r"conv_shortcut"),
}
"""Policy to regular expressions over layer paths (searched, not anchored)."""


@dataclass(frozen=True)
class Layer:
    """A layer that can be quantized: its path, "Conv" or "Linear", elements of its weight, MACs of one pass."""

    path: str
    kind: str
    weights: int
    macs: int


def exempt(layers: Sequence[Layer], policy: Policy, patterns: Iterable[str] = ()) -> dict[str, str]:
    """Exempt layers with the reason: ``policy NAME`` or ``pattern REGEX``.

    Raises:
        InputError: a pattern matches no layer.
    """
    found: dict[str, str] = {}
    for pattern in POLICIES[policy]:
        found.update({layer.path: f"policy {policy}" for layer in layers if re.search(pattern, layer.path)})
    for pattern in patterns:
        hits = [layer.path for layer in layers if re.search(pattern, layer.path)]
        if not hits:
            near = difflib.get_close_matches(pattern, [layer.path for layer in layers], 1, cutoff=0.0)
            raise InputError(
                f"quantize.exempt.patterns: {pattern!r} matches none of the {len(layers)} layers",
                hint=f"the layer with the nearest path is {near[0]}" if near else None,
            )
        for path in hits:
            found.setdefault(path, f"pattern {pattern}")
    return found


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

    found: dict[str, Layer] = {}

    def note(path: str, module: Any) -> Any:
        def hook(_module: torch.nn.Module, _inputs: Any, out: torch.Tensor) -> None:
            weights = module.weight.numel()
            if isinstance(module, torch.nn.Conv2d):
                found[path] = Layer(path, "Conv", weights, weights * out.shape[-2] * out.shape[-1])
            else:
                found[path] = Layer(path, "Linear", weights, weights * (out.numel() // out.shape[-1]))

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
    return [found[path] for path, _ in unet.named_modules() if path in found]
