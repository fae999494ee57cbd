"""Times as readers say them."""

from __future__ import annotations

import pytest

from workbench.forecast.words import duration

SAID = {0.2: "< 1 s", 41: "41 s", 89: "89 s", 720: "12 min", 11_160: "3.1 h", 72_000: "20 h", 250_560: "2.9 days"}


@pytest.mark.parametrize("seconds", SAID)
def test_a_duration_has_the_unit_that_fits(seconds):
    assert duration(seconds) == SAID[seconds]
