"""In which precision a step trains: in bfloat16 only where the processor multiplies it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from workbench.store.processor import features

if TYPE_CHECKING:
    import torch

Precision = Literal["auto", "fp32", "bf16"]
"""``auto``: bf16 where the hardware multiplies it, else fp32."""
MULTIPLIES = frozenset({"amx_bf16", "avx512_bf16", "bf16"})
"""CPU features with which bf16 products are fast. Without them torch imitates each: on an AVX2 machine a step of the
demo's distillation took 100 s in bf16 and 3 s in fp32."""


def chosen(requested: Precision, device: torch.device) -> Literal["fp32", "bf16"]:
    """What ``asked`` means on ``device``: bf16 there only if that is asked for, or is ``auto`` and fast."""
    if requested != "auto":
        return requested
    return "bf16" if _fast_bf16(device) else "fp32"


def _fast_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        import torch

        return torch.cuda.is_bf16_supported(including_emulation=False)
    return device.type == "cpu" and not MULTIPLIES.isdisjoint(features())
