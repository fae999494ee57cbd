"""Precision of training: bf16 where the processor multiplies it (imitated, a step would take minutes); attention."""

from __future__ import annotations

import pytest
import torch
from diffusers.models.attention_processor import Attention

from workbench.compress.distill.consistency import DistillConsistencyConfig
from workbench.compress.distill.step import DistillConfig
from workbench.store import processor
from workbench.training.precision import attention_for, chosen

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("told", "found"),
    [
        ("flags\t\t: fpu avx2 fma", "fp32"),
        ("flags\t\t: fpu avx2 avx512f avx512_vnni", "fp32"),
        ("flags\t\t: fpu avx512f avx512_bf16", "bf16"),
        ("flags\t\t: fpu avx512f amx_bf16 amx_tile", "bf16"),
        ("Features\t: fp asimd i8mm bf16", "bf16"),
        ("processor\t: 0", "fp32"),
    ],
)
def test_auto_is_bf16_only_where_the_processor_multiplies_it(tmp_path, monkeypatch, told, found):
    (tmp_path / "cpuinfo").write_text(f"model name\t: one\n{told}\n")
    monkeypatch.setattr(processor, "CPUINFO", tmp_path / "cpuinfo")
    assert chosen("auto", CPU) == found
    assert (chosen("bf16", CPU), chosen("fp32", CPU)) == ("bf16", "fp32"), "what is asked for is done"


def test_steps_that_train_leave_it_to_the_processor():
    assert {DistillConfig().precision, DistillConsistencyConfig().precision} == {"auto"}


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
