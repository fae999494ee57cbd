"""The clock: right statistics on known samples, fair interleaving, and a warning when a number can't be trusted."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

import numpy as np
import pytest

from workbench.measure.clock import Stats, abba_times, interleaved, warm_up, weighted_sum


def test_statistics_are_those_of_numpy():
    samples = tuple(np.random.default_rng(0).lognormal(size=101))
    found = Stats(samples).summary(samples=True)
    assert found["median"] == pytest.approx(np.median(samples))
    assert found["p90"] == pytest.approx(np.percentile(samples, 90))
    assert found["iqr"] == pytest.approx(np.percentile(samples, 75) - np.percentile(samples, 25))
    assert found["min"] == min(samples) and found["n"] == 101 and len(found["samples"]) == 101
    assert found["unit"] == "ms"


def test_one_outlier_moves_neither_median_nor_iqr():
    quiet, disturbed = Stats((1.0, 2.0, 3.0, 4.0, 5.0)), Stats((1.0, 2.0, 3.0, 4.0, 500.0))
    assert disturbed.median == quiet.median == 3.0 and disturbed.iqr == quiet.iqr == 2.0


def test_no_samples_give_no_statistics():
    with pytest.raises(ValueError, match="at least one"):
        Stats(())


def test_a_machine_that_gets_slower_is_reported():
    drifting = Stats(tuple(1.0 + i / 20 for i in range(21)))
    assert drifting.drift == pytest.approx(0.56, abs=0.05)
    assert any("drifted by +" in w for w in drifting.warnings("unet"))
    assert Stats((1.0, 2.0, 3.0)).drift is None


def test_a_wide_spread_is_reported_and_a_narrow_one_is_not():
    assert any("noisy" in w for w in Stats((1.0, 2.0) * 10).warnings("unet"))
    assert Stats((1.0, 1.01) * 10).warnings("unet") == []


def test_candidates_are_interleaved_and_none_always_follows_the_same_one():
    order: list[str] = []
    calls = {name: lambda name=name: order.append(name) for name in "abc"}
    stats = interleaved(calls, warmup=2, iterations=4, min_seconds=0)
    assert order == list("aabbcc" + "abc" + "cba" + "abc" + "cba")
    assert {s.n for s in stats.values()} == {4}


def test_a_fast_call_is_measured_until_it_has_its_seconds():
    stats = interleaved({"fast": lambda: time.sleep(0.001)}, warmup=0, iterations=3, min_seconds=0.05)["fast"]
    assert stats.n > 3 and sum(stats.samples) >= 50


def test_a_pipeline_is_the_weighted_sum_of_its_parts():
    unet, decoder = Stats((2.0, 3.0, 4.0)), Stats((10.0, 10.0, 10.0, 10.0))
    total = weighted_sum({"unet": (unet, 20), "vae_decoder": (decoder, 1)})
    assert total["median"] == 70 and total["min"] == 50 and total["n"] == 3
    assert total["iqr"] == pytest.approx(20)


@pytest.fixture
def settling(monkeypatch: pytest.MonkeyPatch):
    """Makes a call that takes ``times`` (ms), one after the other, and the last one for ever after, on a clock that
    nothing else moves."""
    now = [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])

    def make(times: list[float]) -> tuple[list[int], Callable[[], None]]:
        made: list[int] = []

        def call() -> None:
            now[0] += times[min(len(made), len(times) - 1)] / 1e3
            made.append(1)

        return made, call

    return make


def test_warming_up_continues_while_calls_still_get_faster(settling):
    made, call = settling([40.0, 30.0, 20.0, 10.0, 4.0])
    told = warm_up(call, least=2, steady=0.05)
    assert told == len(made) == 8, "five calls until it is warm, and three that are no faster"


def test_warming_up_ends_although_a_call_never_settles(settling):
    made, call = settling([0.9**i * 10 for i in range(100)])
    assert warm_up(call, least=1, steady=0.01, most=6) == len(made) == 6


def test_without_a_wish_for_steadiness_exactly_the_asked_calls_are_made_and_reported(settling):
    made, call = settling([10.0, 5.0, 1.0])
    stats = interleaved({"x": call}, warmup=2, iterations=3, min_seconds=0)["x"]
    assert len(made) == 5 and stats.warmup == stats.summary()["warmup"] == 2
    steady = interleaved({"x": settling([10.0, 5.0, 1.0])[1]}, warmup=2, iterations=3, min_seconds=0, steady=0.05)["x"]
    assert steady.warmup >= 6 and steady.n == 3


def test_both_are_called_equally_often_in_orders_that_mirror_each_other():
    order: list[str] = []
    a, b = abba_times(lambda: order.append("a"), lambda: order.append("b"), 40, random.Random(0))
    rounds = ["".join(order[i : i + 4]) for i in range(0, 160, 4)]
    assert set(rounds) == {"abba", "baab"} and len(a) == len(b) == 80
    assert 10 < rounds.count("abba") < 30
