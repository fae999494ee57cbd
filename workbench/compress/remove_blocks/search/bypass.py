"""One block taken out alone: its input stands in for its output, and nothing else changes.

A residual block whose output has other channels than its input keeps its 1 x 1 shortcut, as every one of the up path
does (its input is joined with the skip). Downsamplers and upsamplers change the resolution and can't be bypassed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

TRANSFORMER = "Transformer2DModel"
KINDS = {"ResnetBlock2D": "resnet", TRANSFORMER: "attention"}
SHORTCUT = "conv_shortcut"
"""The part of a residual block that stays where channels differ."""


def blocks_alone(unet: torch.nn.Module) -> tuple[dict[str, str], dict[str, str]]:
    """Blocks that can be bypassed, by path: ``resnet`` or ``attention``; and those that can't, by path: why."""
    bypassed, left_out = {}, {}
    for name, module in unet.named_modules():
        parent = name.rpartition(".")[0].rpartition(".")[2] if name[-1:].isdigit() else ""
        kind = type(module).__name__
        if parent not in ("resnets", "attentions", "downsamplers", "upsamplers"):
            continue
        if parent.endswith("samplers"):
            left_out[name] = "changes the resolution"
        elif kind not in KINDS:
            left_out[name] = f"is a {kind}, which has no known bypass"
        elif getattr(module, "upsample", None) is not None or getattr(module, "downsample", None) is not None:
            left_out[name] = "changes the resolution"
        else:
            bypassed[name] = KINDS[kind]
    return bypassed, left_out


@contextmanager
def without(unet: Any, block: str) -> Iterator[None]:
    """Within it, ``unet`` runs with ``block`` bypassed; its weights stay where they are."""
    module = unet.get_submodule(block)
    unet.set_submodule(block, _bypass(module))
    try:
        yield
    finally:
        unet.set_submodule(block, module)


def _bypass(block: Any) -> torch.nn.Module:
    import torch

    shortcut = getattr(block, SHORTCUT, None)
    scale = getattr(block, "output_scale_factor", 1.0)
    transformer = type(block).__name__ == TRANSFORMER

    class Bypass(torch.nn.Module):
        def forward(self, hidden: torch.Tensor, *_args: Any, **_kwargs: Any) -> Any:
            if transformer:
                return (hidden,)
            return (hidden if shortcut is None else shortcut(hidden)) / scale

    return Bypass()
