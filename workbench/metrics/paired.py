"""Two candidates on the same prompts and seeds, picture by picture: how much is between them, and is it noise?

What the pictures differ in among themselves falls out of the difference, so the interval is narrower than those of the
two means, which say how well each candidate would do on other prompts.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from workbench.measure.interval import RESAMPLES
from workbench.metrics.scores import Comparison, Difference, Scores


def paired(own: Sequence[float], other: Sequence[float]) -> Difference:
    """Difference of the means (own - other) and their ratio, each with a 95 % interval by the bootstrap over pairs."""
    a, b = np.asarray(own, np.float64), np.asarray(other, np.float64)
    rng = np.random.default_rng(0)
    picks = rng.integers(0, len(a), (RESAMPLES, len(a)))
    means = a[picks].mean(1), b[picks].mean(1)
    low, high = np.percentile(means[0] - means[1], [2.5, 97.5]).tolist()
    difference: Difference = {"difference": float(a.mean() - b.mean()), "low": low, "high": high, "n": len(a)}
    if (b > 0).all():
        low, high = np.percentile(means[0] / means[1], [2.5, 97.5]).tolist()
        difference |= {"ratio": float(a.mean() / b.mean()), "ratio_low": low, "ratio_high": high}
    return difference


def comparisons(own: Scores, other: Scores, against: str, why: str) -> list[Comparison]:
    """The paired comparison of every metric that both have for each picture; ``why``: what the other one is."""
    compared: list[Comparison] = []
    for metric, mine in own["metrics"].items():
        others = other["metrics"].get(metric)
        if "by_picture" in mine and others and mine["n"] == others["n"]:
            difference = paired(mine["by_picture"], others["by_picture"])
            compared.append({"metric": metric, "against": against, "why": why, **difference})
    return compared
