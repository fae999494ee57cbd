"""95 % bootstrap confidence intervals: pictures are resampled with replacement, with a fixed seed."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypedDict

import numpy as np

RESAMPLES = 1000


class Interval(TypedDict):
    """A statistic's ``value`` with the ends of its 95 % interval; ``n``: the number of rows that it rests on."""

    value: float
    low: float
    high: float
    n: int


def mean(rows: np.ndarray) -> float:
    """The mean of all numbers."""
    return float(np.mean(rows))


def interval(
    rows: np.ndarray,
    statistic: Callable[[np.ndarray], float] = mean,
    resamples: int = RESAMPLES,
    bounds: tuple[float, float] = (-np.inf, np.inf),
) -> Interval:
    """``value`` of the statistic over ``rows`` [N, ...] and the 2.5 and 97.5 % points of its bootstrap distribution.

    The distribution is shifted so that its mean is the value: resampling repeats rows, which always makes a distance
    between distributions too large, so that an unshifted interval could miss the value. ``bounds``: the limits of the
    statistic (of a share: 0 and 1).
    """
    rng = np.random.default_rng(0)
    values = [statistic(rows[rng.integers(0, len(rows), len(rows))]) for _ in range(resamples)]
    value = statistic(rows)
    low, high = np.clip(value + np.percentile(values, [2.5, 97.5]) - np.mean(values), *bounds)
    return {"value": value, "low": float(low), "high": float(high), "n": len(rows)}
