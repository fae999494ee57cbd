"""Time of PyTorch modules: each has its own, products of attention stand on the attention."""

from __future__ import annotations

import time

import pytest
import torch

from workbench.profile.attribution import RUNTIME, UNMAPPED
from workbench.profile.macs import count
from workbench.profile.torch_layers import profile_modules


class Attention(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.to_q = torch.nn.Linear(64, 64)

    def forward(self, x):
        q = self.to_q(x)
        time.sleep(0.004)  # stands for work that no submodule does
        return torch.nn.functional.scaled_dot_product_attention(q, q, q)


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.first = torch.nn.Linear(64, 64)
        self.attn = Attention()

    def forward(self, x):
        return self.attn(self.first(x))


@pytest.fixture
def layers():
    net, x = Net().eval(), torch.randn(1, 8, 64)
    counted = count(Net().to("meta"), torch.empty(1, 8, 64, device="meta"))
    with torch.inference_mode():
        return profile_modules(net, lambda: net(x), counted, warmup=1, iterations=5)


def test_what_a_module_does_itself_is_its_own(layers):
    table = layers.table.set_index("layer")
    assert table.loc["attn", "latency_ms"] >= 4
    assert table.loc["attn.to_q", "latency_ms"] < table.loc["attn", "latency_ms"]
    assert table.loc["attn", "attention_macs"] == 2 * 8 * 8 * 64 and table.loc["attn.to_q", "macs"] == 8 * 64 * 64
    assert table.loc["first", "op"] == "Linear" and table.loc["first", "activation_bytes"] == 8 * 64 * 4
    assert table.loc["first", "weight_bytes"] == 4 * (64 * 64 + 64)


def test_the_table_is_whole_and_hooks_are_gone(layers):
    assert {UNMAPPED, RUNTIME} <= set(layers.table["layer"])
    assert layers.table["share"].sum() == pytest.approx(1)
    assert layers.table["latency_ms"].sum() == pytest.approx(layers.wall_ms, rel=0.2)
    assert layers.kernel_ms is None


def test_hooks_are_removed_even_when_a_pass_fails():
    net = Net()
    with pytest.raises(RuntimeError):
        profile_modules(net, lambda: net(torch.randn(1, 8, 63)), count(net, torch.randn(1, 8, 64)), 0, 1)
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in net.modules())
