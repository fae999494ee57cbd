"""Fake quantization: it begins at PTQ's numbers, learns, and ends in numbers that say the same."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import nn

from workbench.compress.quantize.fake_quant import ActivationGrid, Rates, attach, harvest
from workbench.compress.quantize.weights.grid import Activation, Grid, Rounded
from workbench.compress.quantize.weights.rounding import round_weights
from workbench.errors import RunError

GRIDS = [Grid(4), Grid(4, group=4), Grid(4, per_tensor=True), Grid(8), Grid(8, per_tensor=True)]


class Net(nn.Module):
    """A convolution and two linears, of which the second reads what the first reads."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(4, 8, 3, padding=1)
        self.q = nn.Linear(8, 12)
        self.k = nn.Linear(8, 12, bias=False)
        self.norm = nn.LayerNorm(12)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        tokens = self.conv(x).flatten(2).mT
        return self.norm(self.q(tokens)) * self.k(tokens)


@pytest.fixture
def net() -> Net:
    torch.manual_seed(0)
    return Net()


@pytest.fixture
def x() -> torch.Tensor:
    return torch.randn(3, 4, 6, 6, generator=torch.Generator().manual_seed(1))


INPUTS = {"conv": Activation(-2.9, 3.4, 8), "q": Activation(-1.5, 1.1, 8), "k": Activation(-1.5, 1.1, 8)}
OUTPUTS = {"conv": Activation(-1.6, 1.7, 8)}


def matrix(layer: nn.Module) -> np.ndarray:
    return layer.weight.detach().flatten(1).numpy()


def nearest(net: nn.Module, grid: Grid) -> dict[str, Rounded]:
    return {name: round_weights(matrix(net.get_submodule(name)), grid, "nearest") for name in ("conv", "q", "k")}


def steered(rounded: Rounded) -> Rounded:
    """As GPTQ does: some integers are not the nearest ones."""
    moved = np.random.default_rng(0).integers(-1, 2, rounded.integers.shape)
    integers = np.clip(rounded.integers + moved, rounded.grid.low, rounded.grid.high).astype(np.int8)
    return Rounded(integers, rounded.scales, rounded.grid)


def with_weights(net: nn.Module, rounded: dict[str, Rounded]) -> nn.Module:
    plain = copy.deepcopy(net)
    with torch.no_grad():
        for name, found in rounded.items():
            layer = plain.get_submodule(name)
            layer.weight.copy_(torch.from_numpy(found.weights()).view_as(layer.weight))
    return plain


def train(net: nn.Module, x: torch.Tensor, steps: int = 20) -> None:
    optimizer = torch.optim.Adam([p for p in net.parameters() if p.requires_grad], lr=1e-2)
    for _ in range(steps):
        optimizer.zero_grad()
        (net(x) - 1).pow(2).mean().backward()
        optimizer.step()


@pytest.mark.parametrize("grid", GRIDS, ids=str)
@pytest.mark.parametrize("how", [lambda r: r, steered], ids=["nearest", "steered"])
def test_it_begins_at_the_rounded_weights_to_the_last_bit(net, x, grid, how):
    rounded = {name: how(found) for name, found in nearest(net, grid).items()}
    expected = with_weights(net, rounded)(x)
    attach(net, rounded, {}, {})
    assert torch.equal(net(x), expected)


@pytest.mark.parametrize("grid", GRIDS, ids=str)
def test_what_was_never_trained_comes_back_as_it_was(net, grid):
    rounded = {name: steered(found) for name, found in nearest(net, grid).items()}
    back, inputs, outputs = harvest(attach(net, rounded, INPUTS, OUTPUTS))
    for name, found in back.items():
        assert np.array_equal(found.integers, rounded[name].integers)
        assert np.array_equal(found.scales, rounded[name].scales)
        assert found.grid == grid
    for before, after in ((INPUTS, inputs), (OUTPUTS, outputs)):
        assert {n: a.zero_point for n, a in after.items()} == {n: a.zero_point for n, a in before.items()}
        assert [a.scale for a in after.values()] == pytest.approx([a.scale for a in before.values()], rel=1e-7)


@pytest.mark.parametrize("grid", GRIDS, ids=str)
def test_after_training_the_harvest_computes_what_the_trained_model_computes(net, x, grid):
    attached = attach(net, nearest(net, grid), INPUTS, OUTPUTS)
    first = net(x)
    train(net, x)
    trained = net(x)
    rounded, inputs, outputs = harvest(attached)
    assert type(net.conv) is nn.Conv2d and not hasattr(net, "activation_grids")
    for name, found in rounded.items():
        assert np.array_equal(found.weights(), matrix(net.get_submodule(name)))
        assert np.array_equal(found.scales, found.scales.astype(np.float16))
        assert found.integers.min() >= grid.low and found.integers.max() <= grid.high
    attach(net, rounded, inputs, outputs)
    assert torch.equal(net(x), trained)
    assert not torch.allclose(first, trained, atol=1e-2)


def test_the_ranges_compute_as_quantize_and_dequantize_do(x):
    wanted = Activation(-1.3, 2.1, 8)
    integers = np.clip(np.rint(x.numpy() / np.float32(wanted.scale)) + wanted.zero_point, 0, 255)
    expected = (integers - wanted.zero_point) * np.float32(wanted.scale)
    assert np.abs(ActivationGrid(wanted, Rates())(x).detach().numpy() - expected).max() < 1e-6


def test_gradients_pass_inside_the_range_and_stop_outside():
    x = torch.tensor([-3.0, -0.4, 0.0, 0.9, 5.0], requires_grad=True)
    ActivationGrid(Activation(-1.0, 2.0, 8), Rates())(x).sum().backward()
    assert x.grad.tolist() == [0, 1, 1, 1, 0]


def test_a_range_that_clips_widens_where_that_lowers_the_loss():
    grid = ActivationGrid(Activation(-1.0, 1.0, 8), Rates())
    x = torch.linspace(-2, 2, 101)
    optimizer = torch.optim.Adam(grid.parameters(), lr=0.02)
    for _ in range(60):
        optimizer.zero_grad()
        (grid(x) - x).pow(2).mean().backward()
        optimizer.step()
    assert grid.activation().high == pytest.approx(2, abs=0.1)


def test_layers_that_read_one_tensor_keep_one_range(net, x):
    attached = attach(net, nearest(net, Grid(8)), INPUTS, OUTPUTS)
    train(net, x)
    _, inputs, outputs = harvest(attached)
    assert inputs["q"] == inputs["k"] != INPUTS["q"]
    assert outputs["conv"].scale != pytest.approx(OUTPUTS["conv"].scale, rel=1e-4)


def test_with_no_rate_scales_and_ranges_stay_and_weights_learn(net, x):
    before = nearest(net, Grid(4))
    attached = attach(net, before, INPUTS, OUTPUTS, Rates(scales=0.0, ranges=0.0))
    train(net, x)
    after, inputs, _ = harvest(attached)
    assert np.array_equal(after["conv"].scales, before["conv"].scales)
    assert not np.array_equal(after["conv"].integers, before["conv"].integers)
    assert inputs["conv"].scale == pytest.approx(INPUTS["conv"].scale, rel=1e-7)


def test_under_autocast_the_weights_keep_their_exact_integers(net, x):
    rounded = nearest(net, Grid(8))
    attached = attach(net, rounded, INPUTS, OUTPUTS)
    with torch.autocast("cpu", torch.bfloat16):
        net(x).float().mean().backward()
        seen = net.conv.weight
    assert seen.dtype == torch.float32
    assert np.array_equal(attached.weights["conv"].rounded(seen).integers, rounded["conv"].integers)


@pytest.mark.parametrize(
    ("path", "says"), [("nowhere", "no layer"), ("norm", "LayerNorm"), ("q", r"\[8, 36\].*\[12, 8\]")]
)
def test_a_weight_without_its_layer_is_an_error(net, path, says):
    with pytest.raises(RunError, match=f"{path}: .*{says}"):
        attach(net, {path: nearest(net, Grid(8))["conv"]}, {}, {})
