"""95 % confidence intervals by the bootstrap: pictures are drawn anew with replacement, with a fixed seed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

RESAMPLES = 1000


def interval(
    rows: np.ndarray,
    statistic: Callable[[np.ndarray], float] = lambda r: float(np.mean(r)),
    resamples: int = RESAMPLES,
    bounds: tuple[float, float] = (-np.inf, np.inf),
) -> dict[str, Any]:
    """``value`` of the statistic over ``rows`` [N, ...] and the 2.5 and 97.5 % points of its bootstrap distribution.

    The distribution is moved so that its mean is the value: resampling repeats rows, which makes a distance of
    distributions too large every time, and an interval around the wrong place would say nothing of the value.
    ``bounds``: what the statistic can't go beyond (a share: 0 and 1).
    """
    rng = np.random.default_rng(0)
    values = [statistic(rows[rng.integers(0, len(rows), len(rows))]) for _ in range(resamples)]
    value = statistic(rows)
    low, high = np.clip(value + np.percentile(values, [2.5, 97.5]) - np.mean(values), *bounds)
    return {"value": value, "low": float(low), "high": float(high), "n": len(rows)}
