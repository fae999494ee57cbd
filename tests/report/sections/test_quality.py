"""Paired comparisons are said to be better or worse only where the interval leaves zero out."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from workbench.metrics.registry import metrics
from workbench.report.sections.quality.paired import rows


def _run(**row: float) -> SimpleNamespace:
    told = {"metric": "alignment", "against": "distilled", "why": "what it was made from", "n": 512}
    scores, recipe = {"w4a16": {"paired": [told | row]}}, SimpleNamespace(metrics=metrics())
    return SimpleNamespace(candidates=[SimpleNamespace(name="w4a16")], scores=scores, recipe=recipe)


@pytest.mark.parametrize(
    ("low", "high", "says"),
    [(0.001, 0.003, "better"), (-0.003, -0.001, "worse"), (-0.001, 0.002, "no difference seen")],
)
def test_the_interval_decides(low, high, says):
    (row,) = rows(_run(difference=(low + high) / 2, low=low, high=high))
    assert row.settled == says and row.n == 512


def test_a_difference_below_the_digits_shown_is_not_called_worse():
    (row,) = rows(_run(difference=-0.00001, low=-0.00002, high=-0.000005))
    assert row.settled == "the same to these digits"


def test_a_ratio_is_shown_as_a_share_with_its_interval():
    (row,) = rows(_run(difference=-0.002, low=-0.003, high=-0.001, ratio=0.9978, ratio_low=0.996, ratio_high=0.9989))
    assert row.ratio == "99.8 % (99.6 to 99.9)" and row.difference == "-0.0020"


def test_a_run_without_comparisons_has_no_rows():
    assert rows(SimpleNamespace(candidates=[SimpleNamespace(name="base")], scores={})) == []
