"""Published figures beside ours: a pair agrees or differs only where its interval says so; no candidate vanishes."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from workbench.recipe.schema import Published, Recipe
from workbench.report.page import fill
from workbench.report.sections.published import Table, gather

N = 64
SPREAD = np.random.default_rng(0).normal(0, 0.05, N)
"""What pictures differ in whoever draws them; it falls out of every pair."""
OWN = np.random.default_rng(1).normal(0, 0.004, N)
OWN -= OWN.mean()


def scored(mean: float, own: np.ndarray | float = 0.0, metric: str = "alignment") -> dict[str, Any]:
    pictures = (mean + SPREAD - SPREAD.mean() + own).tolist()
    entry = {"value": float(np.mean(pictures)), "low": mean - 0.01, "high": mean + 0.01, "n": N}
    return {"metrics": {metric: {**entry, "by_picture": pictures}}}


def run(values: dict[str, float], scores: dict[str, Any], **more: Any) -> SimpleNamespace:
    fields = {"title": "Table 3", "source": "arXiv 2404.11925", "score": "CLIP", "values": values}
    recipe = Recipe(version=1, name="x", model="demo", published=[Published(**fields | more)])
    return SimpleNamespace(recipe=recipe, scores=scores)


def says(table: Table) -> dict[tuple[str, str], str]:
    return {(pair.ahead, pair.behind): pair.says for pair in table.pairs}


@pytest.fixture
def four() -> SimpleNamespace:
    """Published best first: full, plain, own; ours puts ``own`` far ahead and can't tell ``full`` from ``plain``."""
    ours = {"full": scored(0.300, OWN), "plain": scored(0.3001, -OWN), "own": scored(0.320), "base": scored(0.250)}
    return run({"own": 0.262, "base": 0.2, "plain": 0.266, "full": 0.272}, ours)


def test_each_pair_is_said_to_agree_differ_or_be_undecided_by_its_interval(four):
    (table,) = gather(four, None)
    assert says(table) == {
        ("full", "plain"): "undecided",
        ("full", "own"): "differs",
        ("full", "base"): "agrees",
        ("plain", "own"): "differs",
        ("plain", "base"): "agrees",
        ("own", "base"): "agrees",
    }
    assert table.summary == "Of 6 pairs 3 agree, 2 differ, 1 undecided." and table.left_out == ""


def test_rows_stand_in_the_published_order_with_both_ranks(four):
    (table,) = gather(four, None)
    told = [(r.candidate, r.published, r.published_rank, r.ours, r.rank, r.n) for r in table.rows]
    assert told == [
        ("full", "0.272", "1", "0.3000", "3", "64"),
        ("plain", "0.266", "2", "0.3001", "2", "64"),
        ("own", "0.262", "3", "0.3200", "1", "64"),
        ("base", "0.200", "4", "0.2500", "4", "64"),
    ]
    assert table.rows[0].interval == "0.2900 to 0.3100"


def test_the_difference_is_ours_of_the_one_that_is_better_as_published(four):
    pair = next(p for p in gather(four, None)[0].pairs if (p.ahead, p.behind) == ("plain", "own"))
    assert pair.published == "0.266 against 0.262"
    assert (pair.difference, pair.n, pair.tone) == ("−0.0199", "64", "loud")
    low, high = (float(end.replace("−", "-")) for end in pair.interval.split(" to "))
    assert low <= -0.0199 <= high < 0


def test_where_low_is_better_the_lowest_published_figure_leads():
    (table,) = gather(
        run({"a": 25.0, "b": 17.63}, {"a": scored(0.2), "b": scored(0.3)}, score="FID", better="low"), None
    )
    assert [(r.candidate, r.published) for r in table.rows] == [("b", "17.63"), ("a", "25.00")]
    assert says(table) == {("b", "a"): "agrees"} and table.score_better == "lower is better"
    assert table.summary == "Of 1 pair 1 agrees."


def test_equal_published_figures_share_a_rank_and_are_no_pair():
    scores = {"a": scored(0.2), "b": scored(0.3), "c": scored(0.1)}
    (table,) = gather(run({"a": 0.3, "b": 0.3, "c": 0.1}, scores), None)
    assert [r.published_rank for r in table.rows] == ["1", "1", "3"]
    assert says(table) == {("a", "c"): "agrees", ("b", "c"): "agrees"}

    (table,) = gather(run({"a": 0.3, "b": 0.3}, scores), None)
    assert table.pairs == () and "no order to compare" in table.summary


def test_candidates_without_scores_are_listed_and_their_pairs_counted():
    scores = {"a": scored(0.3), "c": scored(0.2), "e": {"metrics": {}}}
    (table,) = gather(run({"a": 0.5, "b": 0.4, "c": 0.3, "e": 0.1}, scores), None)
    assert [(r.candidate, r.ours, r.rank, r.lacks) for r in table.rows] == [
        ("a", "0.3000", "1", ""),
        ("b", "–", "–", "not scored"),
        ("c", "0.2000", "2", ""),
        ("e", "–", "–", "not scored"),
    ]
    assert table.summary == "Of 1 pair 1 agrees."
    assert table.left_out == "b and e were not scored as needed: 5 pairs left out."


def test_nothing_scored_claims_nothing():
    (table,) = gather(run({"a": 0.5, "b": 0.4}, {"a": scored(0.3)}), None)
    assert table.summary == "No pair could be compared."
    assert table.left_out == "b was not scored as needed: 1 pair left out."


def test_psnr_is_told_in_its_unit_and_digits():
    scores = {"a": scored(21.5, metric="psnr_db"), "b": scored(20.0, metric="psnr_db")}
    (table,) = gather(run({"a": 30, "b": 20}, scores, metric="psnr_db"), None)
    assert (table.metric, table.unit, table.rows[0].ours) == ("PSNR to reference", "dB", "21.50")
    assert table.pairs[0].difference == "+1.50"


def test_a_recipe_without_published_figures_has_no_section():
    assert gather(SimpleNamespace(recipe=SimpleNamespace(published=[]), scores={}), None) is None


def page(tables: list[Table]) -> str:
    return fill("published/section.html", facts=tables)


def test_the_section_shows_verdicts_sum_and_what_is_missing(four):
    del four.scores["base"]
    html = page(gather(four, None))
    assert "Of 3 pairs 2 differ, 1 undecided. base was not scored as needed: 3 pairs left out." in html
    assert '<span class="tag loud">differs</span>' in html and '<span class="tag loud">not scored</span>' in html
    assert html.count("<caption>") == 2 and "only the order is compared" in html


def test_what_a_recipe_says_can_not_become_markup(four):
    bad = "<script>alert(1)</script>"
    values = {f"a{bad}": 0.5, f"b{bad}": 0.4}
    scores = dict(zip(values, (scored(0.3), scored(0.2)), strict=True))
    html = page(gather(run(values, scores, title=bad, source=f'"{bad}', score=bad), None))
    assert "<script" not in html and html.count("&lt;script&gt;") >= 8


def test_many_pairs_are_folded_away_and_few_are_not(four):
    assert "<details open>" in page(gather(four, None))
    scores = {f"c{i}": scored(0.1 * i) for i in range(6)}
    html = page(gather(run({name: float(i) for i, name in enumerate(scores)}, scores), None))
    assert "<details>" in html and "Pair by pair (15)" in html and "Of 15 pairs 15 agree." in html
