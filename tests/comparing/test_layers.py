"""Layers that differ are found by name, and others are left alone."""

from __future__ import annotations

import random

import numpy as np
import pytest

from workbench.comparing.layers import ONLY_A, ONLY_B, SMALL, Batch, called, of_batches, of_profiles
from workbench.comparing.ratio import FASTER, SAME, SLOWER, Doubt, Ratio

WHOLE = Ratio(1.02, 1.01, 1.03, 8, 0.0)
TIMES = {f"block.{i}.conv": 0.2 + 0.1 * i for i in range(20)} | {"tiny": 0.001, "(runtime)": 2.0}


def passes(draw: random.Random, times: dict[str, float], pace: float) -> dict[str, tuple[float, ...]]:
    found = {}
    for layer, ms in times.items():
        luck = pace * (1 + draw.gauss(0, 0.02))
        noise = 3.0 if layer == "(runtime)" else 0.05
        found[layer] = tuple(ms * luck * (1 + abs(draw.gauss(0, noise))) for _ in range(12))
    return found


def batches(b: dict[str, float], seed: int = 0, n: int = 10) -> list[Batch]:
    """Pairs of batches on a machine whose pace changes by a third from one batch to the next."""
    draw = random.Random(seed)
    return [
        Batch(
            passes(draw, TIMES, draw.uniform(1, 1.3)), passes(draw, TIMES | b, draw.uniform(1, 1.3)), a_first=i % 2 == 0
        )
        for i in range(n)
    ]


def whole(b: dict[str, float]) -> Ratio:
    sums = [sum(ms for layer, ms in times.items() if layer != "(runtime)") for times in (TIMES, TIMES | b)]
    value = sums[1] / sums[0]
    return Ratio(value, value * 0.99, value * 1.01, 8, 0.0)


def test_a_layer_slowed_by_a_third_is_the_only_one_called():
    slowed = {"block.7.conv": TIMES["block.7.conv"] * 4 / 3}
    for seed in range(5):
        (found,) = called(of_batches(batches(slowed, seed), whole(slowed)))
        assert (found.layer, found.outcome) == ("block.7.conv", SLOWER)
        assert found.ratio is not None and found.ratio.value == pytest.approx(4 / 3, rel=0.06)


def test_no_layer_of_equal_networks_is_called_although_the_pace_changes():
    found = [called(of_batches(batches({}, seed), whole({}))) for seed in range(30)]
    assert sum(map(bool, found)) <= 1


def test_largest_differences_come_first_and_faster_layers_are_called_too():
    moved = {"block.3.conv": TIMES["block.3.conv"] * 1.4, "block.19.conv": TIMES["block.19.conv"] * 0.7}
    found = of_batches(batches(moved), whole(moved))
    assert [(c.layer, c.outcome) for c in found[:2] if c.layer != "(runtime)"][:1] == [("block.19.conv", FASTER)]
    assert {c.layer for c in called(found)} == set(moved)
    differences = [abs(c.difference_ms) for c in found]
    assert differences == sorted(differences, reverse=True)


def test_layers_too_small_to_compare_are_listed_all_the_same():
    found = {c.layer: c for c in of_batches(batches({"tiny": 0.004}), whole({}))}
    assert found["tiny"].outcome == SMALL and found["tiny"].p is None and set(found) == set(TIMES)


def test_layers_of_one_side_are_said_to_be_so_and_fused_ones_where_they_went():
    both = [
        Batch(dict(x.a) | {"gone": (0.5,) * 12}, dict(x.b) | {"new": (0.7,) * 12, "tiny": (0.0,) * 12}, x.a_first)
        for x in batches({})
    ]
    both = [Batch(dict(x.a) | {"act": (0.3,) * 12}, dict(x.b) | {"act": (0.0,) * 12}, x.a_first) for x in both]
    found = {c.layer: c for c in of_batches(both, whole({}), {"act": "in B computed in block.0.conv"})}
    assert (found["gone"].outcome, found["gone"].difference_ms) == (ONLY_A, -0.5)
    assert (found["new"].outcome, found["new"].a_ms, found["new"].difference_ms) == (ONLY_B, None, 0.7)
    assert (found["act"].outcome, found["act"].note) == (ONLY_A, "in B computed in block.0.conv")
    assert found["tiny"].outcome == SMALL, "there on both sides, only too short for the runtime's clock on one"


def test_stored_profiles_show_only_what_single_loads_can_show():
    rng = np.random.default_rng(0)

    def samples(**times: float) -> dict[str, list[float]]:
        return {name: list(rng.normal(ms, ms / 100, 20)) for name, ms in times.items()}

    a, b = samples(one=1.0, two=1.0, three=1.0), samples(one=1.08, two=1.5, four=1.0)
    doubt = Doubt(load_spread=0.04)
    found = {c.layer: c.outcome for c in of_profiles(a, b, doubt)}
    assert found == {"one": SAME, "two": SLOWER, "three": ONLY_A, "four": ONLY_B}
    assert called(of_profiles(a, b, Doubt(0.04, taken_b=0.6))) == []
