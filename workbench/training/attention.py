"""Which of diffusers' attention processors a step trains with: they compute the same, and not equally fast."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from workbench.training.precision import Precision, chosen

if TYPE_CHECKING:
    import torch


def attention_for(precision: Precision, device: torch.device) -> Any:
    """The processor whose forward and backward pass take less time.

    In bf16 on a CPU (AMX) the fused kernel has a slow backward pass. In fp32 it is the faster one: a step of the demo's
    U-Net at 32 pictures took 2.7 s fused and 3.4 s explicit on two AVX2 cores, medians of 5.
    """
    from diffusers.models.attention_processor import AttnProcessor, AttnProcessor2_0

    explicit = device.type == "cpu" and chosen(precision, device) == "bf16"
    return AttnProcessor() if explicit else AttnProcessor2_0()
