"""A user's own Python function as a source: exported with its module names, or refused with the line at fault."""

from __future__ import annotations

import itertools

import onnx
import pytest

from workbench.errors import InputError, RunError
from workbench.graphs.names import layer_of

NETS = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(10, 8)
        self.parts = nn.ModuleDict({"out": nn.Linear(8, 4)})

    def forward(self, x, ids, scale=None):
        h = x + self.table(ids)
        return {"y": self.parts["out"](h), "h": h}

class Branches(nn.Module):
    def forward(self, x):
        return x * 2 if x.sum() > 0 else x - 1

def named():
    return Net(), {"ids": torch.full((2, 5), 9), "x": torch.randn(2, 5, 8)}

def by_place():
    return Net(), (torch.randn(2, 5, 8), torch.full((2, 5), 9))

def alone():
    return nn.Sequential(nn.Conv2d(3, 2, 3))

def branches():
    return Branches(), (torch.ones(3),)

def raises():
    raise ValueError("no such checkpoint")

def deep():
    return nn.Linear(3, "x")

def nothing():
    pass

def three():
    return Net(), 1, 2

def strange_name():
    return Net(), {"y": torch.zeros(1)}

def no_tensor():
    return Net(), {"x": [1, 2]}

def misfit():
    return Net(), (torch.randn(2, 5, 9), torch.zeros(2, 5, dtype=torch.long))
"""
_numbers = itertools.count()


@pytest.fixture
def nets(tmp_path, monkeypatch):
    """A module of the user's in the current folder, under a name that no test had before."""
    monkeypatch.chdir(tmp_path)
    name = f"nets_{next(_numbers)}"
    (tmp_path / f"{name}.py").write_text(NETS)
    return name


def test_a_named_modules_layers_are_in_the_exported_file(ask, nets):
    (network,) = ask(f"{nets}:named")
    assert (network.candidate, network.component, network.scheme) == ("named", "model", "fp32")
    assert (network.torch.kind, network.torch.where) == ("factory", f"{nets}:named")
    assert list(network.feed) == ["ids", "x"] and (network.feed["ids"] == 9).all()
    graph = onnx.load(network.file).graph
    assert [i.name for i in graph.input] == ["ids", "x"] and len(graph.output) == 2
    assert {layer_of(node.name) for node in graph.node} == {"table", "(root)", "parts.out"}


def test_an_export_is_kept_until_code_or_weights_change(ask, nets, tmp_path):
    first = ask(f"{nets}:by_place")[0].file
    assert ask(f"{nets}:by_place")[0].file == first
    source = tmp_path / f"{nets}.py"
    source.write_text(source.read_text() + "\n# changed\n")
    assert ask(f"{nets}:by_place")[0].file != first


def test_inputs_by_place_are_named_by_what_forward_takes(ask, nets):
    (network,) = ask(f"{nets}:by_place", "torch")
    assert {name: value.shape for name, value in network.feed.items()} == {"x": (2, 5, 8), "ids": (2, 5)}
    assert network.file is None


def test_other_shapes_keep_integers_among_those_given(ask, nets):
    feed = ask(f"{nets}:by_place", "torch", x=(1, 7, 8), ids=(1, 7))[0].feed
    assert feed["x"].shape == (1, 7, 8) and feed["ids"].tolist() == [[9] * 7]


def test_a_module_alone_is_fed_by_shapes_and_asks_for_them(ask, nets):
    assert ask(f"{nets}:alone", "torch", input=(1, 3, 9, 9))[0].feed["input"].shape == (1, 3, 9, 9)
    with pytest.raises(InputError, match=r"Sequential\.forward takes input; needs --shape input=…"):
        ask(f"{nets}:alone", "torch")
    with pytest.raises(InputError, match=r"has no input 'inptu'; did you mean input\?"):
        ask(f"{nets}:alone", "torch", inptu=(1, 3, 9, 9))


@pytest.mark.parametrize("needs", ["torch", "count"])
@pytest.mark.parametrize(
    ("function", "says"),
    [
        ("raises", r"the function raised ValueError: no such checkpoint\n  at nets_\d+\.py:32"),
        ("deep", r"the function raised TypeError: .*\n  at nets_\d+\.py:35"),
        ("nothing", r"returned nothing \(None\)\n  hint: return a torch.nn.Module"),
        ("three", r"returned a tuple of 3 \(Net, int, int\)"),
        ("strange_name", r"Net\.forward takes x, ids, scale; found an input y"),
        ("no_tensor", r"input 'x' is a list of 2 \(int, int\); needs a torch\.Tensor"),
        ("nmaed", r"has no function nmaed; did you mean named\?"),
    ],
)
def test_what_a_factory_does_wrong_is_reported_with_its_line(ask, nets, needs, function, says):
    with pytest.raises(InputError) as caught:
        ask(f"{nets}:{function}", needs)
    assert str(caught.value).startswith(f"{nets}:{function}: ")
    caught.match(says)


def test_inputs_that_the_module_can_not_take_are_reported_as_such(ask, nets):
    with pytest.raises(
        InputError, match=r"the module can't take x 2x5x9, ids 2x5: RuntimeError: .*\n  at nets_\d+\.py:12"
    ):
        ask(f"{nets}:misfit", "torch")


def test_a_module_that_can_not_be_exported_is_reported_with_the_line_and_nothing_else(ask, nets, capfd):
    with pytest.raises(
        RunError, match=r"PyTorch can't export it to ONNX: .*\n  at nets_\d+\.py:17\n  hint: --runtime torch"
    ):
        ask(f"{nets}:branches")
    assert capfd.readouterr() == ("", "")


def test_modules_that_are_not_there_or_do_not_import_are_distinguished(ask, nets, tmp_path):
    with pytest.raises(InputError, match="there is no Python module nowhere_at_all"):
        ask("nowhere_at_all:make")
    (tmp_path / f"{nets}_b.py").write_text("import nowhere_at_all\n")
    with pytest.raises(InputError, match=rf"importing {nets}_b raised ModuleNotFoundError: .*\n  at {nets}_b\.py:1"):
        ask(f"{nets}_b:make")
    (tmp_path / f"{nets}_c.py").write_text("x = 1\ndef f(:\n")
    with pytest.raises(InputError, match=rf"raised SyntaxError: .*\n  at {nets}_c\.py:2"):
        ask(f"{nets}_c:f")
