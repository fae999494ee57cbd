"""GPTQ: whether the layer's output is nearer to the float one, and that no odd input breaks it."""

from __future__ import annotations

import numpy as np
import pytest

from workbench.compress.quantize.weights.gptq import BLOCK, gptq
from workbench.compress.quantize.weights.grid import Grid
from workbench.compress.quantize.weights.rounding import round_weights

WIDTH = 288


def _data(rows: int = 2000, width: int = WIDTH, seed: int = 0) -> np.ndarray:
    """Correlated inputs, as neighbouring pixels are."""
    random = np.random.default_rng(seed)
    mix = random.standard_normal((width // 4, width)) + 0.3
    return (random.standard_normal((rows, width // 4)) @ mix + random.standard_normal((rows, width))).astype(np.float32)


def _moments(data: np.ndarray) -> np.ndarray:
    return data.T @ data / len(data)


def _weights(rows: int = 16, width: int = WIDTH) -> np.ndarray:
    return np.random.default_rng(1).standard_normal((rows, width)).astype(np.float32) * 0.05


def _output_error(data: np.ndarray, weight: np.ndarray, rounded: np.ndarray) -> float:
    return float(((data @ (rounded - weight).T) ** 2).sum())


@pytest.mark.parametrize("grid", [Grid(4, 32), Grid(4, 144), Grid(4), Grid(8), Grid(4, per_tensor=True)], ids=str)
def test_output_error_on_unseen_inputs_is_less_than_half_of_the_searched_scales(grid):
    both = _data(4000)
    data, unseen, weight = both[:2000], both[2000:], _weights()
    moments = _moments(data)
    searched = round_weights(weight, grid, "mse", moments)
    found = round_weights(weight, grid, "gptq", moments)
    assert _output_error(unseen, weight, found.weights()) < 0.5 * _output_error(unseen, weight, searched.weights())
    assert grid.low <= found.integers.min() and found.integers.max() <= grid.high
    assert np.array_equal(found.scales, searched.scales)


def test_it_is_frantars_recursion():
    """The inverse updated by elimination after every column, as the paper derives it, in float64."""
    weight, moments, grid = _weights(5), _moments(_data()), Grid(4, 32)
    found = gptq(weight, grid, moments, damping=0.01)
    order = np.argsort(-moments.diagonal(), kind="stable")
    scales = np.repeat(found.scales, 32, axis=1)[:, order].astype(np.float64)
    left = weight[:, order].astype(np.float64)
    hessian = moments[np.ix_(order, order)].astype(np.float64)
    inverse = np.linalg.inv(hessian + 0.01 * np.mean(moments.diagonal()) * np.eye(WIDTH))
    expected = np.empty_like(left)
    for i in range(WIDTH):
        expected[:, i] = np.clip(np.rint(left[:, i] / scales[:, i]), -8, 7)
        error = (left[:, i] - expected[:, i] * scales[:, i]) / inverse[i, i]
        left -= error[:, None] * inverse[i]
        inverse -= np.outer(inverse[:, i], inverse[i]) / inverse[i, i]
    assert WIDTH > 2 * BLOCK
    assert (found.integers[:, order] == expected).mean() > 0.999  # a tie may fall either way in float32


def test_uncorrelated_inputs_leave_rounding_to_the_nearest():
    weight = _weights()
    found = gptq(weight, Grid(4, 32), np.eye(WIDTH, dtype=np.float32))
    assert np.array_equal(found.integers, round_weights(weight, Grid(4, 32), "mse").integers)


def test_columns_whose_input_is_always_zero_are_rounded_to_the_nearest():
    data, weight = _data(), _weights()
    data[:, ::7] = 0
    found = gptq(weight, Grid(8), _moments(data))
    nearest = np.clip(np.rint(weight / found.scales), -128, 127)
    assert np.array_equal(found.integers[:, ::7], nearest[:, ::7])


@pytest.mark.parametrize("rows", [0, 1, 20])
def test_fewer_inputs_than_columns_are_enough(rows):
    data, weight = _data(rows), _weights()
    moments = _moments(data) if rows else np.zeros((WIDTH, WIDTH), np.float32)
    found = gptq(weight, Grid(4, 32), moments)
    assert np.abs(found.weights() - weight).max() < 0.5
    if rows:
        nearest = round_weights(weight, Grid(4, 32), "nearest").weights()
        assert _output_error(data, weight, found.weights()) < 0.1 * _output_error(data, weight, nearest)


def test_the_size_of_the_inputs_does_not_matter():
    weight, moments = _weights(), _moments(_data())
    assert np.array_equal(gptq(weight, Grid(4), moments).integers, gptq(weight, Grid(4), moments * 2.0**-20).integers)
