"""95 % confidence intervals by the bootstrap: pictures are drawn anew with replacement, with a fixed seed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

RESAMPLES = 1000


def interval(
    rows: np.ndarray, statistic: Callable[[np.ndarray], float] = lambda r: float(np.mean(r)), resamples: int = RESAMPLES
) -> dict[str, Any]:
    """``value`` of the statistic over ``rows`` [N, ...] and the 2.5 and 97.5 % points of its bootstrap distribution."""
    rng = np.random.default_rng(0)
    values = [statistic(rows[rng.integers(0, len(rows), len(rows))]) for _ in range(resamples)]
    low, high = np.percentile(values, [2.5, 97.5])
    return {"value": statistic(rows), "low": float(low), "high": float(high), "n": len(rows)}
