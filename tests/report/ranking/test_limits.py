"""Any metric may be ranked by and limited: where less is better, from both ends, and held against the reference."""

from __future__ import annotations

from typing import Any

import pytest

from workbench.metrics.config import COLUMNS
from workbench.metrics.registry import metrics
from workbench.recipe.schema import Rank
from workbench.report.data import CandidateData
from workbench.report.ranking.rank import Ranking, rank


def ranked(metric: str, values: dict[str, float | None], **settings: Any) -> Ranking:
    """Candidates of the same cost with values of one metric; None: the reference of it."""
    scores: Any = {}
    for name, value in values.items():
        found = {"value": value, "low": value - 0.001, "high": value + 0.001, "n": 64} if value is not None else None
        scores[name] = {"metrics": {metric: found} if found else {}}
    latency = {"median": 10.0, "p90": 10.0, "n": 30}
    profile: Any = {"pipeline": {"latency_ms": latency}, "size_bytes": 1e6, "peak_rss_bytes": 1e8}
    profiles = {("host", name): profile for name in values}
    return rank([CandidateData(name) for name in values], scores, profiles, Rank.model_validate(settings))


def said(ranking: Ranking) -> dict[str, str]:
    return dict(zip(ranking.table.candidate, ranking.table.reason, strict=True))


def test_where_less_is_better_the_least_is_chosen_and_the_others_are_higher():
    ranking = ranked("frechet", {"base": 0.5, "a": 0.2, "b": 0.3}, maximize="frechet")
    assert ranking.chosen == "a" and ranking.decision.startswith("a is the best in fréchet (demo)")
    assert said(ranking)["b"] == "dominated by a: better in fréchet (demo)"
    limited = ranked(
        "frechet", {"base": 0.5, "a": 0.2, "b": 0.3}, maximize="smallness", constraints={"frechet_max": 0.1}
    )
    assert limited.chosen is None
    assert said(limited)["a"] == "fréchet (demo) 100 % above the limit (0.200, limit 0.1)"
    assert limited.decision.endswith("frechet_max: 0.200 instead of 0.1 would let it in.")


def test_both_ends_make_a_window():
    window = {"alignment_min": 0.4, "alignment_max": 0.6}
    ranking = ranked("alignment", {"base": 0.39, "a": 0.5, "b": 0.61}, maximize="alignment", constraints=window)
    assert ranking.chosen == "a"
    assert "below the limit (0.390, limit 0.4)" in said(ranking)["base"]
    assert "above the limit (0.610, limit 0.6)" in said(ranking)["b"]


def test_a_drop_of_what_is_held_against_the_reference_is_one_against_its_perfect_score():
    values = {"base": None, "a": 0.71, "b": 0.69}
    ranking = ranked("perceptual", values, maximize="perceptual", constraints={"perceptual_drop": 0.3})
    assert ranking.chosen == "a"
    assert said(ranking)["b"] == "perceptual similarity 31 % below base, the limit is 30 %"
    assert said(ranking)["base"].startswith("what perceptual similarity is measured against")


def test_no_metric_may_be_called_like_a_column_of_the_table():
    table = ranked("perceptual", {"base": None, "a": 0.7}).table
    assert {name for name in table.columns if not name.startswith("perceptual")} <= COLUMNS


def test_a_limit_of_zero_is_told_as_a_distance():
    ranking = ranked("alignment", {"base": 0.2, "a": -0.1}, maximize="alignment", constraints={"alignment_min": 0.0})
    assert ranking.chosen == "base" and "0.100 below the limit" in said(ranking)["a"]


def test_without_a_measure_the_first_that_was_measured_decides():
    assert ranked("perceptual", {"base": None, "a": 0.5, "b": 0.6}).chosen == "b"
    assert ranked("ssim", {"base": None, "a": 0.5, "b": 0.6}).quality == "ssim"


@pytest.mark.parametrize("name", metrics())
def test_every_metric_offers_both_ends_and_a_drop_where_a_share_can_be_lost(name):
    metric = metrics()[name]
    kinds = {key.removeprefix(f"{name}_") for key in metric.limits}
    whole = metric.better == "high" and metric.perfect != float("inf")
    assert kinds == {"min", "max"} | ({"drop"} if whole else set())
