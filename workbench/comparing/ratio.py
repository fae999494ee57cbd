"""Is B slower than A? A ratio with its interval, from times taken interleaved or from two stored sets. Pure statistics.

What a machine does besides only ever makes a pass slower, so the time of one load of a network is the lower decile of
its passes (as Chen & Revels 2016, https://arxiv.org/abs/1608.04295, argue for the minimum; a decile doesn't hang on
one pass). Where a load is put in memory changes its time for as long as it lives: for the demo U-Net by 1 to 3 %, and
the network that was loaded second is the faster one more often. No number of passes averages that out, so loads are
the units here: A and B are loaded several times, in both orders, and the interval is that of the loads.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from workbench.measure.clock import Stats

LEVEL = 0.99
"""Of the interval that decides: equal networks are called different once in a hundred times at most."""
LEAST = 0.01
"""Ratios nearer to 1 than this are no difference, however sure: a hundredth decides nothing."""
QUANTILE = 0.1
LEAST_LOADS = 6
"""Fewer loads have no interval that is worth its name."""
LOAD_SPREAD = 0.015
"""Standard deviation of B ÷ A from one load to the next (measured: the demo's U-Net, ONNX Runtime, one thread)."""
RESAMPLES = 2000

SLOWER, FASTER, SAME = "slower", "faster", "no difference"


@dataclass(frozen=True)
class Load:
    """Times in ms of passes of A and of B between two loadings; ``a_first``: A was loaded before B."""

    a: tuple[float, ...]
    b: tuple[float, ...]
    a_first: bool

    @property
    def log_ratio(self) -> float:
        """Natural logarithm of B ÷ A."""
        return math.log(typical(self.b) / typical(self.a))


@dataclass(frozen=True)
class Ratio:
    """B ÷ A with the interval of ``level``; ``n`` is the number of loads, or of passes of the shorter stored set.

    ``p`` is the probability of such a ratio, or one farther from 1, if A and B were equally fast.
    """

    value: float
    low: float
    high: float
    n: int
    p: float
    level: float = LEVEL

    @property
    def half_width(self) -> float:
        """Half the interval, as a share of the ratio."""
        return math.sqrt(self.high / self.low) - 1

    def outcome(self, least: float = LEAST) -> str:
        """``slower`` or ``faster`` (B than A) where the interval excludes 1 and the ratio is ``least`` away from it."""
        if abs(self.value - 1) < least or self.low <= 1 <= self.high:
            return SAME
        return SLOWER if self.value > 1 else FASTER

    def as_json(self) -> dict[str, Any]:
        """All fields and the outcome."""
        fields = ("value", "low", "high", "n", "p", "level")
        return {name: getattr(self, name) for name in fields} | {"outcome": self.outcome()}


@dataclass(frozen=True)
class Part:
    """Stored times in ms of passes of A and of B, and how often the passes are made in the whole."""

    a: Sequence[float]
    b: Sequence[float]
    weight: float = 1.0


@dataclass(frozen=True)
class Doubt:
    """What passes can't show of themselves: ``load_spread`` is as ``LOAD_SPREAD``; ``taken_a`` and ``taken_b`` are the
    shares of the machine's CPU time that others took while A and B were measured.
    """

    load_spread: float = LOAD_SPREAD
    taken_a: float = 0.0
    taken_b: float = 0.0


def typical(samples: Sequence[float]) -> float:
    """The lower decile of some passes, in ms."""
    return Stats(tuple(samples)).quantile(QUANTILE)


def of_loads(loads: Sequence[Load], level: float = LEVEL) -> Ratio:
    """The ratio of networks measured interleaved over several loads of each.

    Raises:
        ValueError: there are fewer than ``LEAST_LOADS`` loads, or all have the same order.
    """
    return of_logs([load.log_ratio for load in loads], [load.a_first for load in loads], level)


def of_logs(logs: Sequence[float], a_first: Sequence[bool], level: float = LEVEL) -> Ratio:
    """The ratio of which ``logs`` are independent measurements, each under one of two orders.

    The effect of the order (half the difference of the orders' medians) is taken out, and costs one degree of freedom.
    The estimate is the mean without the outermost eighth on either side, its interval Yuen's (Biometrika 61, 1974,
    p. 165; Tukey and McLaughlin 1963): a load that another program disturbed all along doesn't decide.

    Raises:
        ValueError: as for ``of_loads``.
    """
    from scipy.stats import t as student

    groups: dict[bool, list[float]] = {True: [], False: []}
    for value, order in zip(logs, a_first, strict=True):
        groups[order].append(value)
    if len(logs) < LEAST_LOADS or not all(groups.values()):
        raise ValueError(f"a ratio needs at least {LEAST_LOADS} loads, in both orders")
    effect = (median(groups[True]) - median(groups[False])) / 2
    even = sorted(value - (effect if order else -effect) for value, order in zip(logs, a_first, strict=True))
    n, cut = len(even), len(even) // 8
    kept = n - 2 * cut
    middle = sum(even[cut : n - cut]) / kept
    pulled = [min(max(value, even[cut]), even[n - cut - 1]) for value in even]
    centre = sum(pulled) / n
    error = math.sqrt(sum((value - centre) ** 2 for value in pulled) / (n - 2)) * math.sqrt(n) / kept
    freedom = kept - 2
    reach = float(student.ppf((1 + level) / 2, freedom)) * error
    p = float(2 * student.sf(abs(middle) / error, freedom)) if error else float(middle == 0)
    return Ratio(math.exp(middle), math.exp(middle - reach), math.exp(middle + reach), n, p, level)


def of_stored(parts: Sequence[Part], doubt: Doubt, level: float = LEVEL, seed: int = 0) -> Ratio:
    """The ratio of sums of medians, of passes that were taken at different times, each network in one load.

    The spread of each median is that of a bootstrap of blocks (Künsch 1989), since neighbouring passes are alike;
    added to it is the spread of loads, which single loads can't show. Others on the machine may have slowed either
    side down by as much as the share of CPU time that they took: the interval is widened to hold both ends of that.
    What else differed between the two times is not in it. A part that is the same measurement on both sides adds
    nothing.

    Args:
        parts: what the sums are made of; one for a single network.
        doubt: how far single loads and a busy machine can be trusted.
        level: of the interval.
        seed: of the bootstrap.
    """
    from statistics import NormalDist

    draw, sums, variance = random.Random(seed), [0.0, 0.0], 0.0
    for part in parts:
        sums = [total + part.weight * median(side) for total, side in zip(sums, (part.a, part.b), strict=True)]
    for part in (part for part in parts if tuple(part.a) != tuple(part.b)):
        shares = [part.weight * median(side) / total for side, total in zip((part.a, part.b), sums, strict=True)]
        variance += sum(share**2 * _variance(side, draw) for share, side in zip(shares, (part.a, part.b), strict=True))
        variance += (max(shares) * doubt.load_spread) ** 2
    middle, spread, normal = math.log(sums[1] / sums[0]), math.sqrt(variance), NormalDist()
    reach = normal.inv_cdf((1 + level) / 2) * spread
    p = 2 * normal.cdf(-abs(middle) / spread) if spread else 1.0
    n = min(len(side) for part in parts for side in (part.a, part.b))
    low, high = math.exp(middle - reach), math.exp(middle + reach)
    if variance:
        low, high = low * (1 - doubt.taken_b), high / (1 - doubt.taken_a)
    return Ratio(math.exp(middle), low, high, n, p, level)


def holm(p: Sequence[float]) -> list[float]:
    """``p`` values made larger so that, over all of them, a level keeps its meaning (Holm 1979)."""
    corrected, largest = [0.0] * len(p), 0.0
    for rank, i in enumerate(sorted(range(len(p)), key=p.__getitem__)):
        largest = max(largest, min(1.0, p[i] * (len(p) - rank)))
        corrected[i] = largest
    return corrected


def median(values: Sequence[float]) -> float:
    """The median of some times or ratios."""
    return Stats(tuple(values)).median


def _variance(samples: Sequence[float], draw: random.Random) -> float:
    """Variance of the logarithm of the median, by a bootstrap of blocks of n^(1/3) neighbours."""
    n = len(samples)
    length = max(1, round(n ** (1 / 3)))
    medians = []
    for _ in range(RESAMPLES):
        taken: list[float] = []
        while len(taken) < n:
            start = draw.randrange(n - length + 1)
            taken += samples[start : start + length]
        medians.append(math.log(median(taken[:n])))
    mean = sum(medians) / RESAMPLES
    return sum((value - mean) ** 2 for value in medians) / (RESAMPLES - 1)
