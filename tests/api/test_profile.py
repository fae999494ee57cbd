"""A live module is measured as it is and left as it was."""

from __future__ import annotations

import json

import pytest
import torch
from torch import nn

import workbench as wb

QUICK = {"iterations": 3, "min_seconds": 0.0, "warmup": 1, "threads": 1, "progress": False}


class Net(nn.Module):
    """One convolution and one linear layer, of 3×3×3×4 × 8×8 and 4×5 MACs."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.drop = nn.Dropout()
        self.head = nn.Linear(4, 5)

    def forward(self, x: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
        return self.head(self.drop(self.conv(x)).mean((2, 3))) * scale


MACS = {"conv": 3 * 3 * 3 * 4 * 8 * 8, "head": 4 * 5}


@pytest.fixture(scope="module")
def net():
    net = Net()
    net.drop.eval()
    return net


@pytest.fixture(scope="module")
def inputs():
    return {"scale": torch.tensor(2.0), "x": torch.ones(1, 3, 8, 8)}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("place")


@pytest.fixture(scope="module")
def measured(net, inputs, place):
    both = ["onnxruntime", "torch"]
    return wb.profile(net, inputs, runtimes=both, out=place / "out", store=place / "store", **QUICK)


@pytest.mark.parametrize("target", ["host", "host-torch"])
def test_its_layers_are_named_and_counted(measured, target):
    layers = measured.layers[measured.layers["target"] == target].set_index("layer")
    assert layers.loc[list(MACS), "macs"].to_dict() == MACS
    assert (layers.loc[list(MACS), "latency_ms"] > 0).all()


def test_it_is_left_as_it_was(net, measured):
    assert (net.training, net.conv.training, net.drop.training) == (True, True, False)
    assert all(p.requires_grad and p.device.type == "cpu" for p in net.parameters())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in net.modules())


def test_the_table_has_a_row_for_each_runtime(measured):
    table = measured.table.set_index("target")
    assert table["latency_n"].to_dict() == {"host": 3, "host-torch": 3}
    assert table["macs"].to_dict() == dict.fromkeys(("host", "host-torch"), sum(MACS.values()))
    assert "Net@host " in repr(measured) and "<table" in measured._repr_html_()
    assert measured.page.is_file() and json.loads((measured.page.parent / "Net@host.json").read_text())


def test_what_only_this_process_has_can_say_nothing_of_memory_in_another(measured):
    of = {summary["runtime"]: summary for summary in measured.summaries}
    assert of["onnxruntime"]["peak_rss_bytes"] > 0
    assert of["torch"]["peak_rss_bytes"] is None
    assert of["torch"]["peak_rss_reason"].startswith("the module lives in this process alone")


def test_another_module_of_the_same_name_and_shape_is_not_taken_for_it(place):
    """As when a cell of a notebook is edited: neither the repr nor the weights tell the two apart."""

    def made(forward):
        return type("Edited", (nn.Module,), {"forward": forward})()

    found = []
    for module in (made(lambda self, x: x @ x), made(lambda self, x: x @ x @ x)):
        done = wb.profile(module, torch.ones(8, 8), out=place / "edited", store=place / "store", **QUICK)
        found += [component["macs_with_attention"] for component in done.summaries[0]["components"].values()]
    assert found == [8**3, 2 * 8**3]
    assert not list((place / "store" / "results").rglob("model.onnx"))  # nothing that could be found for another


@pytest.mark.parametrize(
    ("source", "inputs", "told"),
    [
        (Net(), None, "Net: a module needs its inputs"),
        ("arch:sd-v1", torch.ones(1), "arch:sd-v1: inputs go with a module"),
        (Net(), torch.ones(1, 9, 8, 8), "live:Net: the module can't take x 1x9x8x8"),
        (Net(), {"y": torch.ones(1)}, "live:Net: Net.forward takes x, scale; found an input y"),
        (Net(), [1.0, 2.0], "live:Net: input 'x' is a float; needs a torch.Tensor"),
        ("no-such", None, "no-such: no such file or folder"),
    ],
)
def test_bad_input_is_told_and_writes_nothing(source, inputs, told, tmp_path):
    with pytest.raises(wb.InputError) as caught:
        wb.profile(source, inputs, out=tmp_path / "out", store=tmp_path / "store", **QUICK)
    assert caught.value.message.startswith(told)
    assert not (tmp_path / "out").exists()
    if isinstance(source, Net):
        assert source.training


def test_a_number_out_of_range_is_told():
    with pytest.raises(wb.InputError, match="iterations: found 0; needs at least 3"):
        wb.profile(Net(), torch.ones(1), **{**QUICK, "iterations": 0})
