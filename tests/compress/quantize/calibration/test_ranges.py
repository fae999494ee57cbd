"""Ranges of activations: whether histograms count what numpy counts, and each method gives what its name says."""

from __future__ import annotations

import itertools
import tracemalloc
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from tests.compress.quantize.calibration.observing import folding
from workbench.compress.quantize.calibration.histograms import (
    BINS,
    Histogram,
    expected_error,
    mse_range,
    percentile_range,
)
from workbench.compress.quantize.calibration.ranges import MOMENTUM, Ranges
from workbench.compress.quantize.weights.grid import Activation
from workbench.errors import RunError


def _histogram(*parts: np.ndarray) -> Histogram:
    found = Histogram()
    for part in parts:
        found.add(part)
    return found


def _tailed(seed: int = 0, count: int = 200_000) -> np.ndarray:
    """A body of width 1 and a few values near 30, as text states have."""
    random = np.random.default_rng(seed)
    values = random.standard_normal(count).astype(np.float32)
    values[:20] = 30 + random.standard_normal(20)
    return values


def _measured(values: np.ndarray, low: float, high: float, bits: int) -> float:
    grid = Activation(low, high, bits)
    step = np.clip(np.rint(values / grid.scale), -grid.zero_point, 2**bits - 1 - grid.zero_point)
    return float(np.mean((values - step * grid.scale) ** 2))


PARTS = [
    np.float32([0.0]),
    np.random.default_rng(0).standard_normal((3, 40)).astype(np.float32),
    np.random.default_rng(1).uniform(-500, 20, 1000).astype(np.float32),
    np.float32([1e-6, -1e-6, 3.0]),
    np.random.default_rng(2).uniform(0, 900, 1000).astype(np.float32),
]


@pytest.mark.parametrize("order", [[0, 1, 2, 3, 4], [4, 3, 2, 1, 0], [3, 0, 4, 2, 1]])
def test_counts_are_those_of_the_final_bins_whatever_the_order(order):
    found = _histogram(*(PARTS[i] for i in order))
    values = np.concatenate([p.ravel() for p in PARTS]).astype(np.float64)
    expected = np.array([((values >= a) & (values < b)).sum() for a, b in itertools.pairwise(found.edges())])
    assert np.array_equal(found.counts, expected) and found.counts.sum() == len(values)
    assert BINS / 4 < len(found.counts) <= BINS
    assert 0.0 in found.edges()
    assert (found.low, found.high) == (values.min(), values.max())


def test_one_value_far_outside_costs_no_more_bins():
    found = _histogram(_tailed(), np.float32([1e30]))
    assert len(found.counts) <= BINS and found.counts.sum() == 200_001 and found.counts[-1] == 1


@pytest.mark.parametrize("constant", [0.0, 5.0, -3.5])
def test_a_tensor_of_one_value_has_a_range(constant):
    found = _histogram(np.full(10, constant, np.float32), np.full(10, constant, np.float32))
    assert found.counts.sum() == 20
    low, high = mse_range(found, 8)
    assert min(low, 0) <= constant <= max(high, 0)
    assert _measured(np.array([constant]), low, high, 8) < 1e-6
    assert percentile_range(found, 99.9) == (constant, constant)


@pytest.mark.parametrize("percentile", [90.0, 99.0, 99.9])
def test_percentile_leaves_out_its_share_half_at_each_end(percentile):
    values = _tailed()
    low, high = percentile_range(_histogram(values), percentile)
    wanted = np.percentile(values, [50 - percentile / 2, 50 + percentile / 2])
    assert np.allclose([low, high], wanted, atol=0.05)


def test_the_whole_range_is_percentile_100():
    values = _tailed()
    assert percentile_range(_histogram(values), 100.0) == (values.min(), values.max())


@pytest.mark.parametrize("bits", [4, 8, 16])
@pytest.mark.parametrize(("low", "high"), [(-3.7, 31.0), (-1.0, 2.0), (0.0, 12.0)])
def test_the_expected_error_is_the_error_of_rounding(bits, low, high):
    values = _tailed()
    expected = expected_error(_histogram(values), low, high, bits)
    assert expected == pytest.approx(_measured(values, low, high, bits), rel=0.05)


@pytest.mark.parametrize("bits", [4, 8])
def test_mse_beats_the_extremes_and_is_near_the_best_there_is(bits):
    values = _tailed()
    histogram = _histogram(values)
    found = _measured(values, *mse_range(histogram, bits), bits)
    assert found < _measured(values, values.min(), values.max(), bits)
    ends = ((low, high) for low in np.linspace(-5, -1, 17) for high in np.linspace(1, 32, 63))
    best = min(expected_error(histogram, *each, bits) for each in ends)
    assert found < 1.1 * best


def test_mse_with_4_bits_clips_a_few_large_values():
    low, high = mse_range(_histogram(_tailed()), 4)
    assert high < 25 and low > -4


def test_with_16_bits_mse_clips_next_to_nothing():
    values = _tailed()
    low, high = mse_range(_histogram(values), 16)
    assert ((values < low) | (values > high)).mean() < 1e-5


def test_values_that_are_positive_throughout_spend_nothing_below_zero():
    low, high = mse_range(_histogram(np.abs(_tailed())), 8)
    assert low == 0 and high > 2


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """``y`` is twice ``x``, ``z`` its exponential."""
    two = onnx.numpy_helper.from_array(np.float32([2]), "two")
    nodes = [helper.make_node("Mul", ["x", "two"], ["y"], "y/Mul"), helper.make_node("Exp", ["y"], ["z"], "z/Exp")]
    x, z = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [1000]) for name in "xz")
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1000])
    graph = helper.make_graph(nodes, "g", [x], [z], [two], value_info=[y])
    path = tmp_path / "model.onnx"
    opset = helper.make_opsetid("", 20)
    onnx.save(helper.make_model(graph, ir_version=10, opset_imports=[opset]), path)
    return path


def _passes(model: Path, **how) -> tuple[Ranges, list[np.ndarray]]:
    ranges = Ranges(["x", "y", "z"], **how)
    run = folding(ranges, model)
    fed = [np.random.default_rng(seed).uniform(-1 - seed, 1, 1000).astype(np.float32) for seed in range(4)]
    for x in fed:
        assert np.allclose(run({"x": x}), np.exp(2 * x), rtol=1e-5)
    return ranges, fed


def test_minmax_is_the_extremes_of_inputs_inner_values_and_outputs(model):
    ranges, fed = _passes(model)
    low, high = min(map(np.min, fed)), max(map(np.max, fed))
    assert ranges.result()["x"] == (low, high) and ranges.result()["y"] == (2 * low, 2 * high)
    assert np.allclose(ranges.result()["z"], np.exp([2 * low, 2 * high]), rtol=1e-5)


def test_moving_average_is_that_of_each_passs_extremes(model):
    ranges, fed = _passes(model, method="moving_average")
    low = fed[0].min()
    for x in fed[1:]:
        low = MOMENTUM * low + (1 - MOMENTUM) * x.min()
    assert ranges.result()["x"][0] == pytest.approx(low, rel=1e-5)


@pytest.mark.parametrize(("method", "find"), [("percentile", percentile_range), ("mse", mse_range)])
def test_histogram_methods_see_inputs_inner_values_and_outputs(model, method, find):
    setting = {"percentile": 98.0} if method == "percentile" else {"bits": 4}
    ranges, fed = _passes(model, method=method, **setting)
    assert set(ranges.result()) == {"x", "y", "z"}
    assert ranges.result()["y"] == find(_histogram(*(2 * x for x in fed)), *setting.values())


@pytest.mark.parametrize("method", ["minmax", "mse"])
def test_a_tensor_that_is_not_finite_is_named(model, method):
    ranges = Ranges(["x", "z"], method)
    run = folding(ranges, model)
    with pytest.raises(RunError, match=r"\bz holds numbers that aren't finite"):
        run({"x": np.full(1000, 60, np.float32)})


@pytest.mark.parametrize("method", ["minmax", "mse"])
def test_memory_does_not_grow_with_passes(model, method):
    ranges = Ranges(["x", "y", "z"], method)
    run = folding(ranges, model)
    x = np.random.default_rng(0).standard_normal(1000).astype(np.float32)
    for _ in range(20):
        run({"x": x})
    tracemalloc.start()
    for _ in range(200):
        run({"x": x})
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert after < 100_000  # two numbers of each of 200 passes and 3 tensors, as Python objects, would be over this
