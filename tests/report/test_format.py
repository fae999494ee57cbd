"""Numbers as the page shows them."""

from __future__ import annotations

import math

import pytest

from workbench.report import format


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (0.01234, "0.0123"),
        (1.234, "1.23"),
        (12.34, "12.3"),
        (1234.5, "1,234"),
        (-3.2, "−3.20"),
        (None, "–"),
        (math.nan, "–"),
    ],
)
def test_three_significant_digits_and_no_exponent(value: float | None, text: str):
    assert format.number(value) == text


@pytest.mark.parametrize(
    ("share", "text"), [(0.12, "+12 %"), (-0.0071, "−0.7 %"), (0.0, "±0 %"), (1.11, "+111 %"), (math.inf, "–")]
)
def test_changes_carry_their_sign(share: float, text: str):
    assert format.change(share) == text


def test_sizes_are_in_units_of_a_million_bytes():
    assert [format.megabytes(b) for b in (9472, 15_100_000, 16e9)] == ["9.47 kB", "15.1 MB", "16.0 GB"]


def test_lists_read_as_a_sentence():
    assert [format.join(p) for p in ([], ["a"], ["a", "b"], ["a", "b", "c"])] == ["", "a", "a and b", "a, b and c"]


def test_counts_are_in_units_of_a_thousand():
    counts = (12, 1234, 253e6, 1.2e9, None)
    assert [format.big(n) for n in counts] == ["12.0", "1.23 k", "253 M", "1.20 G", "–"]


def test_a_change_stands_beside_its_share():
    assert format.moved(-12.5, -0.4, " ms") == "−12.5 ms (−40 %)"
    assert [format.moved(0, None), format.moved(None, 0.1), format.signed(None)] == ["±0", "–", "–"]
