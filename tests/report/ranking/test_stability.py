"""How often the same candidate would be chosen: equals share the wins, and what is clearly ahead always wins."""

from __future__ import annotations

from typing import Any

import pytest

from tests.report.ranking.test_rank import timed
from workbench.recipe.schema import Rank
from workbench.report.data import CandidateData
from workbench.report.ranking.rank import Ranking, rank
from workbench.report.ranking.stability import Stability


def shares(ranking: Ranking) -> dict[str, float]:
    assert ranking.stability is not None
    return {name: count / ranking.stability.n for name, count in ranking.stability.chosen.items()}


def test_two_equal_candidates_win_about_as_often():
    ranking = timed({"base": 40.0, "a": 10.0, "b": 10.0}, {"base": 900, "a": 300, "b": 300}, {"a": 20.0, "b": 20.0})
    found = shares(ranking)
    assert found.keys() == {"a", "b"} and all(0.4 < share < 0.6 for share in found.values())


def test_what_is_ahead_by_far_is_chosen_in_every_resample():
    ranking = timed({"base": 40.0, "a": 10.0, "b": 20.0}, {"base": 900, "a": 300, "b": 600}, {"a": 30.0, "b": 20.0})
    assert shares(ranking) == {"a": 1.0}


def by_picture(values: dict[str, list[float]]) -> Ranking:
    scores: dict[str, Any] = {}
    for name, pictures in values.items():
        mean = sum(pictures) / len(pictures)
        value = {"value": mean, "low": mean - 1, "high": mean + 1, "n": len(pictures), "by_picture": pictures}
        scores[name] = {"metrics": {"alignment": value}}
    profile: dict[str, Any] = {"pipeline": {"latency_ms": {"median": 9.0}}, "size_bytes": 1e6}
    profiles = {("host", name): profile for name in values}
    return rank([CandidateData(n) for n in values], scores, profiles, Rank(maximize="alignment"))


def test_all_candidates_are_judged_by_the_same_pictures():
    pictures = [0.1 * (i % 10) for i in range(40)]
    ranking = by_picture({"base": pictures, "better": [value + 0.01 for value in pictures]})
    assert shares(ranking) == {"better": 1.0}, "the intervals overlap, but every picture is better"


def test_a_limit_at_a_measured_value_is_missed_in_about_half():
    settings = Rank.model_validate({"maximize": "speed", "constraints": {"psnr_db": 20.0}})
    value = {"value": 20.0, "low": 19.0, "high": 21.0, "n": 8}
    profiles: Any = {
        ("host", "base"): {"pipeline": {"latency_ms": {"median": 40.0}}, "size_bytes": 2e6},
        ("host", "a"): {"pipeline": {"latency_ms": {"median": 10.0}}, "size_bytes": 1e6},
    }
    scores: Any = {"base": {"metrics": {}}, "a": {"metrics": {"psnr_db": value}}}
    found = shares(rank([CandidateData("base"), CandidateData("a")], scores, profiles, settings))
    assert found["a"] == pytest.approx(0.5, abs=0.06) and found["base"] == pytest.approx(0.5, abs=0.06)


def test_the_sentence_names_the_runner_up():
    told = Stability({"b": 700, "a": 300}, 1000).told("b")
    assert told == (
        "Made anew on 1,000 resamples of the passes and pictures, the choice is b in 700 of them; "
        "the runner-up is a, in 300."
    )
    assert Stability({"b": 900, "": 100}, 1000).told("b").endswith("that none is within the limits, in 100.")
