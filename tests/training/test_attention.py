"""The attention processors that training may take compute the same, forward and backward."""

from __future__ import annotations

import pytest
import torch
from diffusers.models.attention_processor import Attention

from workbench.training.attention import attention_for

CPU = torch.device("cpu")


def test_both_give_the_same_output_and_gradient():
    found = []
    for precision in ("fp32", "bf16"):
        torch.manual_seed(0)
        layer = Attention(query_dim=16, heads=2, dim_head=8)
        layer.set_processor(attention_for(precision, CPU))
        x = torch.randn(2, 9, 16, requires_grad=True)
        out = layer(x)
        out.square().sum().backward()
        found.append((type(layer.processor), out.detach(), x.grad))
    (first, out, slope), (second, again, slope_again) = found
    assert first is not second
    assert torch.allclose(out, again, atol=1e-5) and torch.allclose(slope, slope_again, atol=1e-4)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_gpu_always_takes_the_fused_one(precision):
    assert type(attention_for(precision, torch.device("cuda"))) is type(attention_for("fp32", CPU))
