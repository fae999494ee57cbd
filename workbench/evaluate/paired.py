"""Two candidates on the same prompts and seeds, picture by picture: how much is between them, and is it noise?

What the pictures differ in among themselves falls out of the difference, so the interval is narrower than those of the
two means, which say how well each candidate would do on other prompts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from workbench.evaluate.interval import RESAMPLES

UNITS = {"alignment": "cosine", "psnr_db": "dB"}


def paired(own: Sequence[float], other: Sequence[float]) -> dict[str, float]:
    """Difference of the means (own - other) and their ratio, each with a 95 % interval by the bootstrap over pairs."""
    a, b = np.asarray(own, np.float64), np.asarray(other, np.float64)
    rng = np.random.default_rng(0)
    picks = rng.integers(0, len(a), (RESAMPLES, len(a)))
    means = a[picks].mean(1), b[picks].mean(1)
    spread = np.percentile(means[0] - means[1], [2.5, 97.5])
    found = {"difference": a.mean() - b.mean(), "low": spread[0], "high": spread[1], "n": len(a)}
    if (b > 0).all():
        ratio = np.percentile(means[0] / means[1], [2.5, 97.5])
        found |= {"ratio": a.mean() / b.mean(), "ratio_low": ratio[0], "ratio_high": ratio[1]}
    return {key: int(value) if key == "n" else float(value) for key, value in found.items()}


def comparisons(own: Mapping[str, Any], other: Mapping[str, Any], against: str, why: str) -> list[dict[str, Any]]:
    """The paired comparison of every score that both have for each picture; ``why``: what the other one is."""
    mine, others = own.get("by_picture", {}), other.get("by_picture", {})
    return [
        {"metric": name, "unit": UNITS[name], "against": against, "why": why, **paired(mine[name], others[name])}
        for name in UNITS
        if name in mine and len(others.get(name, ())) == len(mine[name])
    ]
