"""The clock: interleaved timing and its statistics. Nothing here knows what is timed."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from typing_extensions import TypedDict

SPREAD_LIMIT = 0.15
"""IQR ÷ median above which a run is reported as noisy; on a quiet machine it is below 0.05."""
DRIFT_LIMIT = 0.10
"""Change of the median from the first to the last third above which a run is reported as drifting."""
LEAST_FOR_DRIFT = 9
SETTLED = 3
"""A call is warm when this many calls in a row were not faster than all before them."""
MOST_WARMUP, MOST_WARMUP_S = 30, 5.0
"""Unmeasured calls, and seconds of them, after which measuring begins, steady or not: in a pass of seconds, what only
the first one does is little."""


class Latency(TypedDict, total=False):
    """Statistics of durations in ``unit``.

    For a network's passes also ``warmup`` (unmeasured passes), ``drift`` (last third ÷ first − 1), samples in order.
    """

    median: float
    p90: float
    iqr: float
    min: float
    n: int
    unit: str
    drift: float | None
    warmup: int
    samples: Sequence[float]


@dataclass(frozen=True)
class Stats:
    """Durations of equal calls in ms, in order; none is dropped. ``warmup``: unmeasured calls before them."""

    samples: tuple[float, ...]
    warmup: int = 0

    def __post_init__(self) -> None:
        if not self.samples:
            raise ValueError("statistics need at least one sample")

    def quantile(self, q: float) -> float:
        """The ``q``-quantile (0…1), linear between neighbouring samples, numpy's default."""
        ordered = sorted(self.samples)
        position = q * (len(ordered) - 1)
        below = int(position)
        above = min(below + 1, len(ordered) - 1)
        return ordered[below] + (ordered[above] - ordered[below]) * (position - below)

    @property
    def n(self) -> int:
        """Number of samples."""
        return len(self.samples)

    @property
    def median(self) -> float:
        """Median in ms."""
        return self.quantile(0.5)

    @property
    def p90(self) -> float:
        """90th percentile in ms."""
        return self.quantile(0.9)

    @property
    def iqr(self) -> float:
        """Interquartile range in ms."""
        return self.quantile(0.75) - self.quantile(0.25)

    @property
    def min(self) -> float:
        """Shortest sample in ms."""
        return min(self.samples)

    @property
    def spread(self) -> float:
        """IQR ÷ median, without unit."""
        return self.iqr / self.median if self.median else 0.0

    @property
    def drift(self) -> float | None:
        """Median of the last third ÷ median of the first − 1; None with fewer than nine samples."""
        if self.n < LEAST_FOR_DRIFT:
            return None
        third = self.n // 3
        first, last = Stats(self.samples[:third]).median, Stats(self.samples[-third:]).median
        return last / first - 1 if first else None

    def summary(self, *, samples: bool = False) -> Latency:
        """As JSON; with the samples if ``samples``."""
        summary: Latency = {
            "median": self.median,
            "p90": self.p90,
            "iqr": self.iqr,
            "min": self.min,
            "n": self.n,
            "drift": self.drift,
            "unit": "ms",
            "warmup": self.warmup,
        }
        return {**summary, "samples": [round(s, 4) for s in self.samples]} if samples else summary

    def warnings(self, what: str) -> list[str]:
        """Sentences about ``what`` when the spread or the drift is too large for the median to be trusted."""
        warnings = []
        if self.spread > SPREAD_LIMIT:
            warnings.append(
                f"{what}: noisy, IQR {self.spread:.0%} of the median (limit {SPREAD_LIMIT:.0%}, n={self.n})"
            )
        if self.drift is not None and abs(self.drift) > DRIFT_LIMIT:
            warnings.append(f"{what}: drifted by {self.drift:+.0%} from the first third to the last (n={self.n})")
        return warnings


def interleaved(
    calls: Mapping[str, Callable[[], object]],
    warmup: int,
    iterations: int,
    min_seconds: float,
    on_round: Callable[[int], None] | None = None,
    steady: float | None = None,
) -> dict[str, Stats]:
    """Times all ``calls`` interleaved, so that disturbances of the machine affect all of them alike.

    Each call is made ``warmup`` times unmeasured, or until it is steady. Then come rounds in which every call is made
    once, in alternating order (so that none always follows the same one), until each has at least ``iterations``
    samples and ``min_seconds`` of measured time.

    Args:
        calls: name to a function without arguments.
        warmup: least number of unmeasured calls of each; the actual number is in ``Stats.warmup``.
        iterations: least number of samples of each.
        min_seconds: least sum of the samples of each, in seconds.
        on_round: called with the number of finished rounds.
        steady: see ``warm_up``; None makes exactly ``warmup`` unmeasured calls.
    """
    warm = {name: warm_up(call, warmup, steady) for name, call in calls.items()}
    times: dict[str, list[float]] = {name: [] for name in calls}
    spent = dict.fromkeys(calls, 0.0)
    order, rounds = list(calls), 0
    while calls and (rounds < iterations or min(spent.values()) < min_seconds):
        for name in order:
            ms, _ = once_ms(calls[name])
            times[name].append(ms)
            spent[name] += ms / 1e3
        order.reverse()
        rounds += 1
        if on_round:
            on_round(rounds)
    return {name: Stats(tuple(samples), warm[name]) for name, samples in times.items()}


def reloaded(
    loads: Mapping[str, Callable[[], Callable[[], object]]], rounds: int, on_round: Callable[[int], None] | None = None
) -> dict[str, Stats]:
    """As ``interleaved``, for calls of which only one can be held in memory: each is loaded anew in every round, called
    once unmeasured, then once measured, and let go."""
    times: dict[str, list[float]] = {name: [] for name in loads}
    order = list(loads)
    for done in range(1, rounds + 1):
        for name in order:
            call = loads[name]()
            call()
            times[name].append(once_ms(call)[0])
            del call
        order.reverse()
        if on_round:
            on_round(done)
    return {name: Stats(tuple(samples), 1) for name, samples in times.items()}


def warm_up(call: Callable[[], object], least: int, steady: float | None = None, most: int = MOST_WARMUP) -> int:
    """Calls ``call`` unmeasured at least ``least`` times and until it is steady; the number of calls.

    Steady means that none of the last three calls beat the fastest time by more than ``steady`` (0.05 is 5 %): other
    work of the machine makes single calls slower and never faster, so fastest times settle where medians don't. A call
    that isn't steady after ``most`` calls, or ``MOST_WARMUP_S``, is accepted as it is.
    """
    fastest, since_fastest, calls, spent = float("inf"), 0, 0, 0.0
    while calls < least or (
        steady is not None and since_fastest < SETTLED and calls < most and spent < MOST_WARMUP_S * 1e3
    ):
        ms, _ = once_ms(call)
        calls += 1
        spent += ms
        if steady is None or ms < fastest * (1 - steady):
            fastest, since_fastest = ms, 0
        else:
            since_fastest += 1
    return calls


def abba_times(
    a: Callable[[], object], b: Callable[[], object], rounds: int, order: random.Random
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Times of ``a`` and of ``b`` in ms, two of each per round, in the order a b b a or b a a b, drawn from ``order``.

    A drift that is linear within a round adds the same to both, and no rhythm of the machine can favour one of them.
    """
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds):
        first = order.randrange(2)
        for which in (first, 1 - first, 1 - first, first):
            times[which].append(once_ms((a, b)[which])[0])
    return tuple(times[0]), tuple(times[1])


def once_ms(call: Callable[[], Any]) -> tuple[float, Any]:
    """Duration of one call in ms, and its result."""
    start = time.perf_counter()
    result = call()
    return (time.perf_counter() - start) * 1e3, result


def weighted_sum(parts: Mapping[str, tuple[Stats, float]]) -> Latency:
    """Statistics of Σ weight × part, quantile by quantile: the median is the sum of medians, p90 the sum of p90s.

    This assumes that all parts are slow at the same time, since disturbances last longer than one call; with
    independent parts the true spread would be smaller. ``n`` is that of the part with the fewest samples.
    """

    def total(name: str) -> float:
        return sum(weight * getattr(stats, name) for stats, weight in parts.values())

    return {
        "median": total("median"),
        "p90": total("p90"),
        "iqr": total("iqr"),
        "min": total("min"),
        "n": min(stats.n for stats, _ in parts.values()),
        "unit": "ms",
    }
