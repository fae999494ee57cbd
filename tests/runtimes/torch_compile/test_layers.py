"""Kernels of torch.compile on modules: none is lost, none is given to a module that it doesn't compute."""

from __future__ import annotations

import pytest
import torch

from workbench.measure.layers import OUTSIDE, UNMAPPED
from workbench.runtimes.torch.macs import count
from workbench.runtimes.torch_compile.inductor import Compiled, missing_compiler
from workbench.runtimes.torch_compile.layers import LOOP, profile_compiled

pytestmark = [pytest.mark.long, pytest.mark.skipif(missing_compiler() is not None, reason="no C++ compiler")]


class Attention(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.to_q = torch.nn.Linear(64, 64)

    def forward(self, x):
        q = self.to_q(x).unflatten(-1, (2, 32)).transpose(1, 2)
        return torch.nn.functional.scaled_dot_product_attention(q, q, q).transpose(1, 2).flatten(2)


class Net(torch.nn.Module):
    """A residual sum that ends up in a convolution's kernel, a norm and an activation in one, and an attention."""

    def __init__(self):
        super().__init__()
        self.conv_in = torch.nn.Conv2d(3, 64, 3, padding=1)
        self.norm = torch.nn.GroupNorm(2, 64)
        self.act = torch.nn.SiLU()
        self.blocks = torch.nn.ModuleList(torch.nn.Conv2d(64, 64, 3, padding=1) for _ in range(2))
        self.unused = torch.nn.Dropout()
        self.attn = Attention()
        self.head = torch.nn.Linear(64, 8)

    def forward(self, x):
        y = self.act(self.norm(self.conv_in(x)))
        for block in self.blocks:
            y = y + self.unused(block(y))
        return self.head(self.attn(y.flatten(2).transpose(1, 2)))


class Broken(torch.nn.Module):
    """Can't be one graph: the compiler gives up in the middle and PyTorch runs what is there."""

    def __init__(self):
        super().__init__()
        self.first = torch.nn.Linear(64, 64)
        self.second = torch.nn.Linear(64, 32)

    def forward(self, x):
        y = self.first(x)
        torch._dynamo.graph_break()
        return self.second(y.relu())


class Wrapper(torch.nn.Module):
    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, x):
        return self.net(x)


@pytest.fixture(scope="module")
def profiled(tmp_path_factory):
    def profile(net, x):
        counted = count(type(net)().to("meta"), x.to("meta"))
        wrapped = Wrapper(net.eval().requires_grad_(False))

        def one_pass(run):
            def call():
                with torch.inference_mode():
                    return run(x)

            return call

        compiled = Compiled(wrapped, tmp_path_factory.mktemp("kernels"), "net")
        layers = profile_compiled(compiled, one_pass, counted, warmup=1, iterations=5, wrapper="net")
        with torch.inference_mode():
            assert torch.allclose(compiled(x), net(x), atol=1e-4)
        return layers

    return profile


@pytest.fixture(scope="module")
def layers(profiled):
    torch.manual_seed(0)
    return profiled(Net(), torch.randn(1, 3, 16, 16))


def test_every_kernel_finds_its_module(layers):
    assert layers.unmapped_share == 0
    with_kernels = {event.layer for event in layers.events}
    assert with_kernels == {"conv_in", "norm", "blocks.0", "blocks.1", "attn.to_q", "attn", "head"}


def test_products_stand_on_the_module_of_their_weights_even_when_a_sum_is_in_the_kernel(layers):
    operators = [(event.layer, event.op) for event in layers.events if event.op != LOOP]
    assert operators == [
        ("conv_in", "Conv2d"),
        ("blocks.0", "Conv2d"),
        ("blocks.1", "Conv2d"),
        ("attn.to_q", "Linear"),
        ("attn", "Attention"),
        ("head", "Linear"),
    ]


def test_what_has_no_kernel_says_where_it_went(layers):
    table = layers.table.set_index("layer")
    assert table.loc["act", "fused_into"] == "norm" and table.loc["act", "latency_ms"] == 0
    assert table.loc["(root)", "fused_into"] in ("blocks.0", "blocks.1")
    assert table.loc["norm", "fused_into"] == ""


def test_times_add_up_to_the_pass(layers):
    table = layers.table.set_index("layer")
    assert table["share"].sum() == pytest.approx(1)
    assert {UNMAPPED, OUTSIDE} <= set(layers.samples) and set(layers.samples) == set(table.index)
    for wall in zip(*layers.samples.values(), strict=True):
        assert sum(wall) > 0
    middle = sum(event.duration_us for event in layers.events) / 1e3
    assert middle == pytest.approx(layers.kernel_ms) and layers.kernel_ms <= layers.wall_ms
    assert sum(layers.op_ms.values()) == pytest.approx(layers.kernel_ms, rel=0.5)
    assert table.loc["blocks.0", "macs"] == 16 * 16 * 64 * 64 * 9 and table.loc["attn", "attention_macs"] > 0


def test_a_network_in_several_graphs_is_mapped_graph_by_graph(profiled):
    layers = profiled(Broken(), torch.randn(4, 64))
    assert {"first", "second"} <= {event.layer for event in layers.events}
    assert layers.unmapped_share < 0.5
