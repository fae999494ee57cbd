"""The ratio and its interval: right on made-up times whose truth is known."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest

from workbench.comparing.ratio import (
    FASTER,
    SAME,
    SLOWER,
    Doubt,
    Load,
    Part,
    Ratio,
    holm,
    of_loads,
    of_logs,
    of_stored,
)

QUIET = Doubt(load_spread=0.015)


def loads(draw: random.Random, truth: float, n: int = 8, place: float = 0.01, order: float = 0.015) -> list[Load]:
    """Loads as they were seen: each has its own luck, the second one loaded is faster, and passes are disturbed."""
    made = []
    for i in range(n):
        a_first = i % 2 == 0
        luck = math.exp(draw.gauss(0, place) + (-order if a_first else order))

        def passes(ms: float) -> tuple[float, ...]:
            return tuple(ms * (1 + abs(draw.gauss(0, 0.01)) + (draw.random() < 0.2) * draw.random()) for _ in range(16))

        made.append(Load(passes(10.0), passes(10.0 * truth * luck), a_first))
    return made


def outcomes(truth: float, n: int = 200, **how: float) -> dict[str, int]:
    draw = random.Random(0)
    found = [of_loads(loads(draw, truth, **how)).outcome() for _ in range(n)]
    return {outcome: found.count(outcome) for outcome in (SLOWER, FASTER, SAME)}


def test_equal_networks_are_called_different_in_at_most_two_of_a_hundred():
    found = outcomes(1.0)
    assert found[SLOWER] + found[FASTER] <= 4


def test_a_slowdown_and_a_speedup_of_five_percent_are_found():
    assert outcomes(1.05)[SLOWER] >= 190
    assert outcomes(1 / 1.05)[FASTER] >= 190


def test_what_lies_under_a_hundredth_is_no_difference_however_sure():
    sure = Ratio(1.008, 1.006, 1.010, 8, 1e-6)
    assert sure.outcome() == SAME and sure.outcome(least=0.005) == SLOWER


def test_an_interval_around_one_is_no_difference_however_large_the_ratio():
    assert Ratio(1.2, 0.97, 1.5, 8, 0.1).outcome() == SAME


def test_the_interval_holds_the_truth_as_often_as_it_says():
    draw = random.Random(1)
    held = [(r := of_loads(loads(draw, 1.1), level=0.9)).low <= 1.1 <= r.high for _ in range(300)]
    assert 0.83 <= np.mean(held) <= 0.97


def test_one_wild_load_of_eight_neither_moves_the_ratio_nor_hides_the_difference():
    rng = np.random.default_rng(0)
    logs, order = list(rng.normal(math.log(1.05), 0.004, 8)), [True, False] * 4
    calm = of_logs(logs, order)
    logs[3] = 0.7
    wild = of_logs(logs, order)
    assert wild.value == pytest.approx(calm.value, abs=0.01) and wild.outcome() == calm.outcome() == SLOWER


def test_an_effect_of_the_loading_order_alone_is_no_difference():
    logs = [0.03 + e if i % 2 else -0.03 + e for i, e in enumerate((0.001, -0.001, 0.002, 0.0, -0.002, 0.001))]
    found = of_logs(logs, [True, False] * 3)
    assert found.outcome() == SAME and found.half_width < 0.01


def test_without_trimming_it_is_the_interval_of_a_t_test():
    from scipy.stats import t

    logs = np.array([0.04, 0.06, 0.05, 0.07, 0.03, 0.05])
    found = of_logs(list(logs), [True, False] * 3)
    even = logs - np.where(np.arange(6) % 2 == 0, -0.01, 0.01)
    reach = t.ppf(0.995, 4) * math.sqrt(((even - 0.05) ** 2).sum() / 4 / 6)
    assert (found.value, found.low, found.high) == pytest.approx([math.exp(0.05 + d) for d in (0, -reach, reach)])
    assert found.n == 6


@pytest.mark.parametrize("order", [[True, False] * 2, [True] * 6])
def test_too_few_loads_or_one_order_give_no_ratio(order):
    with pytest.raises(ValueError, match="at least 6 loads, in both orders"):
        of_logs([0.1] * len(order), order)


def test_stored_passes_are_compared_by_their_medians():
    rng = np.random.default_rng(0)
    a, b = rng.normal(10, 0.1, 60), rng.normal(12, 0.1, 60)
    found = of_stored([Part(list(a), list(b))], QUIET)
    assert found.value == pytest.approx(np.median(b) / np.median(a)) and found.outcome() == SLOWER and found.n == 60


def test_single_loads_never_show_a_difference_as_small_as_their_own_spread():
    found = of_stored([Part([10.0] * 30, [10.2] * 30)], QUIET)
    assert found.outcome() == SAME and found.half_width == pytest.approx(math.exp(2.5758 * 0.015) - 1, rel=1e-3)


def test_a_busy_machine_takes_the_word_from_stored_profiles():
    parts = [Part([10.0] * 30, [13.0] * 30)]
    assert of_stored(parts, QUIET).outcome() == SLOWER
    assert of_stored(parts, Doubt(taken_b=0.5)).outcome() == SAME, "B may have been slowed down by others"
    assert of_stored(parts, Doubt(taken_a=0.5)).outcome() == SLOWER, "A may have been: then B is slower still"


def test_a_pipeline_is_compared_by_its_weighted_parts_and_shared_parts_add_no_doubt():
    shared, slow = [5.0] * 20, Part([10.0] * 20, [12.0] * 20, 20)
    both = of_stored([slow, Part(shared, list(shared), 2)], QUIET)
    assert both.value == pytest.approx((240 + 10) / (200 + 10))
    assert both.half_width < of_stored([slow], QUIET).half_width
    assert of_stored([Part(shared, list(shared))], QUIET) == Ratio(1.0, 1.0, 1.0, 20, 1.0)


def test_holm_is_that_of_the_textbook():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]) == [1.0, 1.0] and holm([]) == []
