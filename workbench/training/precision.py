"""In which precision a step trains, and with which of diffusers' attention processors: what is fast on the hardware."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from workbench.store.processor import features

if TYPE_CHECKING:
    import torch

Precision = Literal["auto", "fp32", "bf16"]
"""``auto``: bf16 where the hardware multiplies it, else fp32."""
MULTIPLIES = frozenset({"amx_bf16", "avx512_bf16", "bf16"})
"""CPU features with which bf16 products are fast. Without them torch imitates each: on an AVX2 machine a step of the
demo's distillation took 100 s in bf16 and 3 s in fp32."""


def chosen(requested: Precision, device: torch.device) -> Literal["fp32", "bf16"]:
    """What ``requested`` means on ``device``."""
    if requested != "auto":
        return requested
    if device.type == "cuda":
        import torch

        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    return "bf16" if device.type == "cpu" and multiplied(requested) else "fp32"


def multiplied(requested: Precision) -> bool:
    """Whether ``requested`` means bf16 on this processor; ``chosen`` without torch."""
    return requested == "bf16" or (requested == "auto" and not MULTIPLIES.isdisjoint(features()))


def autocast(requested: Precision, device: torch.device) -> torch.autocast:
    """The context in which ``requested`` is what torch multiplies in."""
    import torch

    return torch.autocast(device.type, torch.bfloat16, enabled=chosen(requested, device) == "bf16")


def attention_for(precision: Precision, device: torch.device) -> Any:
    """The attention processor whose forward and backward pass take less time; both compute the same.

    In bf16 on a CPU (AMX) the fused kernel has a slow backward pass. In fp32 it is the faster one: a step of the demo's
    U-Net at 32 pictures took 2.7 s fused and 3.4 s explicit on two AVX2 cores, medians of 5.
    """
    from diffusers.models.attention_processor import AttnProcessor, AttnProcessor2_0

    explicit = device.type == "cpu" and chosen(precision, device) == "bf16"
    return AttnProcessor() if explicit else AttnProcessor2_0()
