"""Interleaved measurement: both loaded anew in both orders, let go in between, and ended for a reason that is told."""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable

import pytest

from workbench.comparing.interleaved import LAYER_PASSES, LAYER_WARMUP, Plan, batches, measure
from workbench.comparing.ratio import SLOWER
from workbench.measure.layers import Layers


class Work:
    """A loaded network that is busy for ``ms`` per pass."""

    def __init__(self, ms: float) -> None:
        self.ms = ms

    def __call__(self) -> None:
        end = time.perf_counter() + self.ms / 1e3
        while time.perf_counter() < end:
            pass


def loader(name: str, ms: float, log: list[str]) -> Callable[[], Work]:
    def load() -> Work:
        log.append(name)
        return Work(ms)

    return load


def test_twice_the_work_is_found_and_every_sample_kept():
    log: list[str] = []
    plan = Plan(iterations=24, min_seconds=0.0, width=0.2)
    taken = measure(loader("a", 0.5, log), loader("b", 1.0, log), plan)
    assert taken.ratio.outcome() == SLOWER and taken.ratio.value == pytest.approx(2, rel=0.2)
    assert "".join(log[:8]) == "abbaabba", "A first and B first by turns"
    assert len(log) == 2 * len(taken.loads) and [load.a_first for load in taken.loads[:2]] == [True, False]
    assert sum(len(load.a) for load in taken.loads) >= 24 and {len(x.a) for x in taken.loads} == {len(taken.loads[0].b)}


def test_what_was_loaded_is_let_go_before_the_next_load():
    alive: list[weakref.ref[Work]] = []

    def load() -> Work:
        assert sum(ref() is not None for ref in alive) <= 1
        made = Work(0.1)
        alive.append(weakref.ref(made))
        return made

    measure(load, load, Plan(iterations=8, min_seconds=0.0, width=1.0))
    assert len(alive) >= 12


def test_it_says_why_it_ended():
    log: list[str] = []
    load = loader("x", 0.05, log)
    assert measure(load, load, Plan(8, 0.0, 60, width=50.0)).ended == "interval"
    done = measure(load, load, Plan(8, 0.0, max_seconds=0.0, width=0.0))
    assert (done.ended, len(done.loads)) == ("time", 6)
    done = measure(load, load, Plan(8, 0.0, 60, width=0.0))
    assert (done.ended, len(done.loads)) == ("loads", 16)


def test_seconds_asked_for_are_spent_on_passes():
    taken = measure(lambda: Work(0.2), lambda: Work(0.2), Plan(8, min_seconds=0.3, width=50.0))
    assert sum(sum(load.a) for load in taken.loads) >= 250


def test_batches_of_layers_take_turns_too_and_fused_layers_are_told():
    log: list[str] = []

    def layers(name: str, fused: str) -> Callable[[int, int], Layers]:
        def passes(warmup: int, iterations: int) -> Layers:
            log.append(name)
            assert (warmup, iterations) == (LAYER_WARMUP, LAYER_PASSES)
            rows = ({"layer": "conv"}, {"layer": "act", "fused_into": fused})
            return Layers(rows, 1.0, 1.0, 0.0, {}, iterations, samples={"conv": (1.0,) * iterations})

        return passes

    found, fused = batches(layers("a", ""), layers("b", "conv"), max_seconds=60)
    assert "".join(log[:4]) == "abba" and len(found) == 10 and fused == {"act": "in B computed in conv"}
    assert len(batches(layers("a", ""), layers("b", ""), max_seconds=0)[0]) == 6
