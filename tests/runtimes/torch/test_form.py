"""A factory's module in whatever process needs it, and its count without memory where that can be."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from workbench.errors import RunError
from workbench.measure.network import TorchForm
from workbench.runtimes.torch.form import build, count_factory

NETS = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, width=8):
        super().__init__()
        self.a, self.b = nn.Linear(8, width), nn.Linear(width, 4)

    def forward(self, x, mask):
        return {"y": self.b(self.a(x)) * mask}

class Looks(nn.Module):
    def __init__(self):
        super().__init__()
        self.q = nn.Linear(8, 8)

    def forward(self, x):
        n = int(x.abs().max() > 100) + 1
        q = self.q(x).view(1, -1, 2, 4).transpose(1, 2)
        return nn.functional.scaled_dot_product_attention(q, q, q) * n

def named():
    return Net(), {"mask": torch.ones(5, 1), "x": torch.randn(5, 8)}

def huge():
    return Net(200_000_000), {"mask": torch.ones(5, 1), "x": torch.randn(5, 8)}

def looks():
    return Looks(), (torch.ones(1, 6, 8),)
"""


@pytest.fixture
def nets(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "torch_form_nets.py").write_text(NETS)
    return "torch_form_nets"


def test_a_factorys_module_takes_inputs_in_their_order_and_is_the_same_each_time(nets):
    form = TorchForm("factory", f"{nets}:named", "model")
    (first, wrapper), (again, _) = build(form), build(form)
    mask, x = torch.ones(5, 1), torch.arange(40.0).reshape(5, 8)
    (found,) = first(mask, x)
    assert wrapper == "net" and set(dict(first.net.named_children())) == {"a", "b"}
    assert torch.equal(found, first.net(x, mask)["y"]) and torch.equal(found, again(mask, x)[0])
    assert not first.training


def test_a_module_larger_than_memory_is_counted_with_its_layers_names(nets):
    feed = {"mask": np.ones((5, 1), np.float32), "x": np.ones((5, 8), np.float32)}
    counted = count_factory(f"{nets}:huge", feed)
    assert counted.params == 200_000_000 * (8 + 1 + 4) + 4
    assert {layer.layer: layer.macs for layer in counted.layers if layer.macs} == {
        "a": 8_000_000_000,
        "b": 4_000_000_000,
    }


def test_a_module_that_reads_its_values_is_counted_by_running_it(nets):
    counted = count_factory(f"{nets}:looks", {"x": np.ones((1, 6, 8), np.float32)})
    assert (counted.macs, counted.macs_with_attention, counted.uncounted) == (6 * 64, 6 * 64 + 2 * 2 * 6 * 6 * 4, {})


def test_inputs_that_do_not_fit_are_told_with_the_line(nets):
    with pytest.raises(RunError, match=r"the module can't be run: RuntimeError: .*\n  at .*torch_form_nets\.py:20"):
        count_factory(f"{nets}:looks", {"x": np.ones((1, 6, 9), np.float32)})
