"""Fake quantization of a U-Net in training: convolutions and linears compute with the numbers that the file will hold.

Rounding and its gradients are torchao's ``_fake_quantize_affine``: straight through to what lies inside the range, and
to the scales LSQ's (Esser et al., arXiv 1902.08153). Its ``IntxFakeQuantizer`` knows no convolution, no scale for a
whole tensor and no scale that is stored as float16, so the modules around that function are our own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.utils import parametrize
from torchao.quantization.quant_primitives import _fake_quantize_affine

from workbench.compress.quantize.weights.grid import Activation, Grid, Rounded
from workbench.compress.quantize.weights.scales import LARGEST, SMALLEST
from workbench.errors import RunError

EDGE = 0.49
"""How far from its integer, in steps, a trained weight may start; beyond a half it would round to the next one."""
GRIDS = "activation_grids"
"""The U-Net's attribute that owns the activations' quantizers while they are attached."""


@dataclass(frozen=True)
class Rates:
    """What one unit of learning rate means: Adam moves a parameter by about the learning rate in a step.

    ``weights``: in steps of their grid; layers whose weights are small have small steps, so this suits all of them.
    ``scales``: of weights, and ``ranges``: of activations, as a share of themselves; 0: they stay.
    """

    weights: float = 1.0
    scales: float = 1.0
    ranges: float = 1.0


class _Scale(nn.Module):
    """Positive scales, trained by their logarithm: a learning rate is a share of each of them."""

    start: torch.Tensor

    def __init__(self, start: torch.Tensor, rate: float) -> None:
        super().__init__()
        self.register_buffer("start", start, persistent=False)
        self.growth = nn.Parameter(torch.zeros_like(start), requires_grad=rate > 0)
        self._rate = rate

    def forward(self) -> torch.Tensor:
        return self.start * torch.exp(self._rate * self.growth)


class WeightGrid(nn.Module):
    """Parametrization of a weight [N, ...]: seen as [N, K], on a grid whose scales are normal float16 numbers.

    What is trained is the weight in steps of the grid that it starts from, divided by ``rates.weights``.
    """

    unit: torch.Tensor

    def __init__(self, rounded: Rounded, rates: Rates) -> None:
        super().__init__()
        self.grid = rounded.grid
        scales = torch.from_numpy(rounded.scales.astype(np.float32))
        self._scale = _Scale(scales, rates.scales)
        unit = rates.weights * _by_column(scales, rounded.grid, rounded.integers.shape[1])
        self.register_buffer("unit", unit, persistent=False)

    def scales(self) -> torch.Tensor:
        """Float32 [N, G] ([1, 1] per tensor), all normal float16 numbers; gradients pass straight through."""
        exact = self._scale()
        stored = exact.detach().clamp(SMALLEST, LARGEST).half().float()
        return exact + (stored - exact.detach())

    def forward(self, trained: torch.Tensor) -> torch.Tensor:
        """The weight on its grid, in the shape of ``trained``."""
        matrix = trained.flatten(1) * self.unit
        block = tuple(matrix.shape) if self.grid.per_tensor else (1, self.grid.columns(matrix.shape[1]))
        scales, low, high = self.scales(), self.grid.low, self.grid.high
        zeros = torch.zeros_like(scales)
        return _fake_quantize_affine(matrix, block, scales, zeros, torch.int32, low, high).view_as(trained)

    def right_inverse(self, weight: torch.Tensor) -> torch.Tensor:
        """What is trained for a float ``weight``."""
        return (weight.flatten(1) / self.unit).view_as(weight)

    @torch.no_grad()
    def rounded(self, on_grid: torch.Tensor) -> Rounded:
        """Integers and scales of a weight that ``forward`` gave; they stand for it to the last bit."""
        matrix, scales = on_grid.flatten(1), self.scales()
        # An integer times a float16 number is exact in float32, so the division gives the integer back.
        integers = (matrix / _by_column(scales, self.grid, matrix.shape[1])).round().to(torch.int8)
        return Rounded(integers.cpu().numpy(), scales.cpu().numpy(), self.grid)


class ActivationGrid(nn.Module):
    """Rounds a tensor to unsigned integers with one scale; training may widen or narrow the range, zero stays in it."""

    zero_point: torch.Tensor

    def __init__(self, activation: Activation, rates: Rates) -> None:
        super().__init__()
        self._high = (1 << activation.bits) - 1
        self._bits = activation.bits
        self._scale = _Scale(torch.tensor([activation.scale], dtype=torch.float32), rates.ranges)
        self.register_buffer("zero_point", torch.tensor([float(activation.zero_point)]), persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``x`` on the grid, in float32 whatever the precision of training."""
        block = tuple(x.shape)
        return _fake_quantize_affine(x.float(), block, self._scale(), self.zero_point, torch.int32, 0, self._high)

    @torch.no_grad()
    def activation(self) -> Activation:
        """The range that the grid now covers; its scale and zero point are the grid's."""
        scale, zero = float(self._scale()), int(self.zero_point)
        return Activation(-zero * scale, (self._high - zero) * scale, self._bits)


@dataclass(frozen=True)
class Attached:
    """A U-Net whose layers compute with quantized numbers: what to take off again, by path of the layer."""

    unet: nn.Module
    weights: Mapping[str, WeightGrid]
    inputs: Mapping[str, ActivationGrid]
    outputs: Mapping[str, ActivationGrid]
    hooks: tuple[Any, ...]


def attach(
    unet: nn.Module,
    weights: Mapping[str, Rounded],
    inputs: Mapping[str, Activation],
    outputs: Mapping[str, Activation],
    rates: Rates | None = None,
) -> Attached:
    """Makes layers of ``unet`` compute with quantized weights, inputs and outputs, all of them trainable.

    At first its weights are exactly those that ``weights`` stand for (their scales rounded to float16). What is trained
    beneath them starts as near to the float weights as that allows. Equal ranges are taken for those of one tensor,
    which several layers read: they share one quantizer, so they stay equal.

    Args:
        unet: with its float weights.
        weights: path of a convolution or linear to its weight [N, K] on its grid.
        inputs: path of a layer to the range of its input.
        outputs: path of a layer to the range of its output.
        rates: what a learning rate means for each of them.

    Raises:
        RunError: a path names no convolution or linear of the U-Net, or its weight has another shape.
    """
    rates = rates or Rates()
    layers = {path: _layer(unet, path) for path in {**weights, **inputs, **outputs}}
    for path, rounded in weights.items():
        shape = list(layers[path].weight.flatten(1).shape)
        if shape != list(rounded.integers.shape):
            raise RunError(f"{path}: the quantized weight is {list(rounded.integers.shape)}, the U-Net's {shape}")
    grids = {path: WeightGrid(rounded, rates) for path, rounded in weights.items()}
    for path, grid in grids.items():
        weight = layers[path].weight
        with torch.no_grad():
            weight.copy_(_nearest(weight.flatten(1), weights[path], grid.scales()).view_as(weight))
        parametrize.register_parametrization(layers[path], "weight", grid)
    shared = {shape: ActivationGrid(shape, rates) for shape in (*inputs.values(), *outputs.values())}
    unet.add_module(GRIDS, nn.ModuleList(shared.values()))
    before, after = ({path: shared[shape] for path, shape in each.items()} for each in (inputs, outputs))
    hooks = [layers[path].register_forward_pre_hook(_on_input(grid)) for path, grid in before.items()]
    hooks += [layers[path].register_forward_hook(_on_output(grid)) for path, grid in after.items()]
    return Attached(unet, grids, before, after, tuple(hooks))


def harvest(attached: Attached) -> tuple[dict[str, Rounded], dict[str, Activation], dict[str, Activation]]:
    """Takes the quantizers off and returns weights, inputs and outputs by path, as ``attach`` takes them.

    The layers are plain again; their weights are those that the returned ones stand for, to the last bit.
    """
    rounded = {}
    for path, grid in attached.weights.items():
        layer = _layer(attached.unet, path)
        rounded[path] = grid.rounded(layer.weight)
        parametrize.remove_parametrizations(layer, "weight", leave_parametrized=True)
    for hook in attached.hooks:
        hook.remove()
    delattr(attached.unet, GRIDS)
    inputs = {path: grid.activation() for path, grid in attached.inputs.items()}
    return rounded, inputs, {path: grid.activation() for path, grid in attached.outputs.items()}


def _layer(unet: nn.Module, path: str) -> nn.Conv2d | nn.Linear:
    try:
        layer = unet.get_submodule(path)
    except AttributeError:
        raise RunError(f"{path}: was quantized, but is no layer of the U-Net to train") from None
    if not isinstance(layer, nn.Conv2d | nn.Linear):
        raise RunError(f"{path}: only convolutions and linears are trained quantized, this is {type(layer).__name__}")
    return layer


def _by_column(scales: torch.Tensor, grid: Grid, width: int) -> torch.Tensor:
    """Scales that multiply a weight [N, width]."""
    return scales if grid.per_tensor else scales.repeat_interleave(grid.columns(width), dim=1)


def _nearest(matrix: torch.Tensor, rounded: Rounded, scales: torch.Tensor) -> torch.Tensor:
    """The numbers nearest to a float weight [N, K] that round to these integers."""
    steps = _by_column(scales, rounded.grid, matrix.shape[1])
    integers = torch.from_numpy(rounded.integers).to(matrix)
    return (matrix / steps).clamp(integers - EDGE, integers + EDGE) * steps


def _on_input(grid: ActivationGrid) -> Any:
    def hook(_layer: nn.Module, arguments: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        return (grid(arguments[0]), *arguments[1:])

    return hook


def _on_output(grid: ActivationGrid) -> Any:
    def hook(_layer: nn.Module, _arguments: object, output: torch.Tensor) -> torch.Tensor:
        return grid(output)

    return hook
