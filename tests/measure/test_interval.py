"""The interval of the bootstrap: as wide as theory says, and within what the statistic can be."""

from __future__ import annotations

import numpy as np
import pytest

from workbench.measure.interval import interval


def test_the_interval_of_a_mean_covers_what_theory_says():
    rows = np.random.default_rng(1).normal(3.0, 1.0, 400)
    found = interval(rows)
    half = 1.96 * rows.std() / np.sqrt(400)
    assert found["value"] == pytest.approx(rows.mean()) and found["n"] == 400
    assert found["high"] - found["low"] == pytest.approx(2 * half, rel=0.15)


def test_the_interval_of_a_share_stays_between_0_and_1():
    rows = np.zeros(100)
    rows[0] = 1.0
    found = interval(rows, bounds=(0.0, 1.0))
    assert found["low"] >= 0.0 and found["value"] == 0.01 < found["high"] < 0.1
