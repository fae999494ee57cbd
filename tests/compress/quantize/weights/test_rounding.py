"""Weights on their grid: whether the integers fit, the scales survive the file, and a search is worth its name."""

from __future__ import annotations

import numpy as np
import pytest

from workbench.compress.quantize.weights.grid import Grid
from workbench.compress.quantize.weights.rounding import round_weights
from workbench.compress.quantize.weights.scales import SMALLEST, best_scales
from workbench.errors import RunError

GRIDS = [Grid(4, 32), Grid(4, 96), Grid(4), Grid(8), Grid(8, per_tensor=True), Grid(4, per_tensor=True)]


def _weights(rows: int = 24, columns: int = 96, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_t(4, (rows, columns)).astype(np.float32) * 0.05


def _error(weight: np.ndarray, grid: Grid, rounding: str) -> float:
    return float(((round_weights(weight, grid, rounding).weights() - weight) ** 2).sum())


@pytest.mark.parametrize("grid", GRIDS, ids=str)
@pytest.mark.parametrize("rounding", ["nearest", "mse"])
def test_shapes_and_limits_are_the_grids(grid, rounding):
    found = round_weights(_weights(), grid, rounding)
    assert found.integers.dtype == np.int8 and found.integers.shape == (24, 96)
    assert grid.low <= found.integers.min() and found.integers.max() <= grid.high
    groups = 1 if grid.per_tensor else 96 // grid.columns(96)
    assert found.scales.shape == ((1, 1) if grid.per_tensor else (24, groups))


@pytest.mark.parametrize("rounding", ["nearest", "mse"])
def test_every_weight_is_the_nearest_that_its_scale_allows(rounding):
    weight, grid = _weights(), Grid(4, 32)
    found = round_weights(weight, grid, rounding)
    reachable = np.arange(grid.low, grid.high + 1) * np.repeat(found.scales, 32, axis=1)[..., None]
    nearest = np.abs(reachable - weight[..., None]).min(axis=2)
    assert np.allclose(np.abs(found.weights() - weight), nearest, rtol=0, atol=1e-7)


def test_nearest_reaches_the_largest_weight_of_each_group():
    weight = np.zeros((2, 8), np.float32)
    weight[0, 1], weight[0, 6], weight[1, 3] = 7.0, -3.5, 14.0
    found = round_weights(weight, Grid(4, 4), "nearest")
    assert found.scales.tolist() == [[1.0, 0.5], [2.0, SMALLEST]]
    assert np.array_equal(found.weights(), weight)


@pytest.mark.parametrize("rounding", ["nearest", "mse"])
@pytest.mark.parametrize("size", [1e-9, 1e-5, 1.0, 1e3])
def test_scales_are_normal_float16_numbers_whatever_the_weights(rounding, size):
    found = round_weights(_weights() * np.float32(size), Grid(4, 32), rounding)
    assert np.array_equal(found.scales.astype(np.float16).astype(np.float32), found.scales)
    assert found.scales.min() >= np.finfo(np.float16).tiny and np.isfinite(found.scales.astype(np.float16)).all()


@pytest.mark.parametrize("grid", GRIDS, ids=str)
def test_the_search_never_loses_to_nearest(grid):
    assert _error(_weights(), grid, "mse") <= _error(_weights(), grid, "nearest")


def test_the_search_gives_up_a_lone_large_weight_for_the_rest():
    weight = _weights(1, 256)
    weight[0, 0] = 2 * np.abs(weight).max()
    assert _error(weight, Grid(4), "mse") < 0.8 * _error(weight, Grid(4), "nearest")


def test_columns_that_matter_decide_the_scale():
    weight = np.full((1, 64), 0.1, np.float32)
    weight[0, 0] = 1.0
    first = np.zeros(64, np.float32)
    first[0] = 1.0
    kept = best_scales(weight, Grid(4), first)[0, 0]
    others = best_scales(weight, Grid(4), 1 - first)[0, 0]
    assert abs(kept * 7 - 1.0) < 1e-3 and others * 7 < 0.75


def test_rows_do_not_depend_on_how_many_are_rounded_at_a_time():
    weight, grid = _weights(2000, 96), Grid(4, 32)
    whole = round_weights(weight, grid, "mse")
    alone = round_weights(weight[1990:1991], grid, "mse")
    assert np.array_equal(whole.integers[1990:1991], alone.integers)


def test_a_row_of_zeros_stays_zero():
    weight = _weights()
    weight[3] = 0
    for rounding in ("nearest", "mse"):
        assert not round_weights(weight, Grid(4, 32), rounding).weights()[3].any()


def test_weights_that_are_not_finite_are_refused():
    weight = _weights()
    weight[2, 5] = np.nan
    with pytest.raises(RunError, match="finite"):
        round_weights(weight, Grid(8), "nearest")


@pytest.mark.parametrize(
    ("grid", "rounding", "moments"),
    [(Grid(4, 40), "nearest", None), (Grid(4, 32), "gptq", None), (Grid(4, 32), "gptq", np.eye(95, dtype=np.float32))],
)
def test_what_does_not_fit_is_refused(grid, rounding, moments):
    with pytest.raises(ValueError, match=r"divide|moments"):
        round_weights(_weights(), grid, rounding, moments)
