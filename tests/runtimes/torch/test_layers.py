"""Time of PyTorch modules: each has its own, products of attention stand on the attention."""

from __future__ import annotations

import time

import pytest
import torch

from workbench.measure.layers import OUTSIDE, UNMAPPED
from workbench.runtimes.torch.layers import median_index, profile_modules
from workbench.runtimes.torch.macs import count


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


class Wrapper(torch.nn.Module):
    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, x):
        time.sleep(0.002)
        return self.net(x)


def profiled(module, wrapper=""):
    x = torch.randn(1, 8, 64)
    counted = count(Net().to("meta"), torch.empty(1, 8, 64, device="meta"))
    with torch.inference_mode():
        return profile_modules(module, lambda: module(x), counted, warmup=1, iterations=5, wrapper=wrapper)


@pytest.fixture(scope="module")
def layers():
    return profiled(Net().eval())


def test_what_a_module_does_itself_is_its_own(layers):
    table = layers.table.set_index("layer")
    assert table.loc["attn", "latency_ms"] >= 4
    assert table.loc["attn.to_q", "latency_ms"] < table.loc["attn", "latency_ms"]
    assert table.loc["attn", "attention_macs"] == 2 * 8 * 8 * 64 and table.loc["attn.to_q", "macs"] == 8 * 64 * 64
    assert table.loc["first", "op"] == "Linear" and table.loc["first", "calls"] == 1
    assert table.loc["first", "weight_bytes"] == 4 * (64 * 64 + 64)


def test_the_table_is_whole_and_hooks_are_gone(layers):
    assert {UNMAPPED, OUTSIDE} <= set(layers.table["layer"])
    assert layers.table["share"].sum() == pytest.approx(1)
    assert layers.table["latency_ms"].sum() == pytest.approx(layers.wall_ms, rel=0.2)
    assert layers.kernel_ms is None


def test_every_pass_of_every_layer_is_kept(layers):
    assert set(layers.samples) == set(layers.table["layer"])
    assert {len(samples) for samples in layers.samples.values()} == {5}
    assert sum(layers.samples["attn"]) >= 5 * 4


def test_events_tile_one_pass_without_overlap(layers):
    assert [e.layer for e in layers.events] == ["(root)", "first", "(root)", "attn", "attn.to_q", "attn", "(root)"]
    ends = [e.start_us + e.duration_us for e in layers.events]
    assert all(end <= after.start_us + 1e-3 for end, after in zip(ends, layers.events[1:], strict=False))
    one_pass = sum(e.duration_us for e in layers.events if e.layer == "attn") / 1e3
    assert one_pass in [pytest.approx(sample) for sample in layers.samples["attn"]]


def test_bytes_written_and_alive_are_those_of_the_values(layers):
    value = 8 * 64 * 4
    table = layers.table.set_index("layer")
    assert table.loc["first", "activation_bytes"] == table.loc["attn.to_q", "activation_bytes"] == value
    # The block still holds the first linear's result while its own linear and its attention run.
    assert table.loc["first", "peak_bytes"] == value
    assert table.loc["attn.to_q", "peak_bytes"] == 2 * value
    assert layers.live_peak_at == "attn" and layers.live_peak_bytes >= 3 * value


def test_layers_have_the_components_own_names_inside_a_wrapper():
    layers = profiled(Wrapper(Net().eval()), "net")
    assert list(layers.samples) == ["(root)", "first", "attn", "attn.to_q", UNMAPPED, OUTSIDE]
    assert min(layers.samples[UNMAPPED]) >= 2  # the wrapper's own work belongs to no layer


def test_hooks_are_removed_even_when_a_pass_fails():
    net = Net()
    with pytest.raises(RuntimeError):
        profile_modules(net, lambda: net(torch.randn(1, 8, 63)), count(net, torch.randn(1, 8, 64)), 0, 1)
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in net.modules())


def test_the_median_pass_is_a_pass_that_was_taken():
    assert median_index([3.0, 1.0, 2.0]) == 2
    assert median_index([4.0, 1.0, 3.0, 2.0]) == 3
