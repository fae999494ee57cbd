"""Two runs on one page: candidates joined by how they were made, and only what can be compared is compared."""

from __future__ import annotations

import copy
import random
from dataclasses import replace
from pathlib import Path

import pytest

from tests.fixtures.browser import Browser, printed
from workbench.report.data import CandidateData, RunData
from workbench.report.html import ranked
from workbench.report.runs.joined import Pair, Side, join, moved, scored, timed
from workbench.report.runs.page import render

DATES = ("2026-11-01T10:00:00+00:00", "2026-11-30T10:00:00+00:00")


def side(run: RunData, name: str = "main@1") -> Side:
    return Side(name, DATES[name.endswith("2")], run, ranked(run))


def sampled(run: RunData, seed: int, slower: float = 1.0) -> RunData:
    """The run with times of single passes; of w8a8 one layer of the U-Net, 40 % of it, is ``slower``."""
    profiles = copy.deepcopy(dict(run.profiles))
    for (_, candidate), profile in profiles.items():
        for name, component in profile["components"].items():
            draw, factor = random.Random(f"{seed} {name} {candidate}"), 1.0
            if (candidate, name) == ("w8a8", "unet"):
                factor = 1 + 0.4 * (slower - 1)
            whole = component["latency_ms"]["median"]
            passes = [whole * factor * (1 + draw.gauss(0, 0.004)) for _ in range(40)]
            component["latency_ms"] |= {"samples": passes, "median": sorted(passes)[20], "n": 40}
            layer = {"conv_in": 0.4 * (slower if factor > 1 else 1.0), "conv_out": 0.6}
            component["layer_samples_ms"] = {
                one: [whole * part * (1 + draw.gauss(0, 0.004)) for _ in range(40)] for one, part in layer.items()
            }
    return replace(run, profiles=profiles)


def made(name: str, *lineage: str, scheme: str = "fp32", steps: int | None = None) -> CandidateData:
    return CandidateData(name, scheme, lineage, steps=steps)


def test_candidates_are_joined_by_how_they_were_made_and_the_rest_is_only_in_one():
    a = [made("base"), made("x", "distill"), made("y", "distill"), made("q", "quantize", scheme="w8a8")]
    b = [made("base"), made("y", "distill"), made("z", "distill"), made("q", "quantize", scheme="w4a16")]
    assert join(a, b) == [Pair("base", "base"), Pair("x", "z"), Pair("y", "y"), Pair("q", None), Pair(None, "q")]
    few = [made("few-2steps", "distill", steps=2)]
    assert join(few, [made("few-1step", "distill", steps=1)]) == [Pair("few-2steps", None), Pair(None, "few-1step")]


def test_a_slower_layer_is_named_and_the_same_measurement_is_said(small: RunData):
    before = sampled(small, 0)
    a, b = side(before), side(sampled(small, 1, slower=1.5), "main@2")
    pairs = join(a.run.candidates, b.run.candidates)
    times = timed(a, b, pairs)
    slow = next(each for each in times if each.pair.a == "w8a8")
    assert slow.ratio and slow.ratio.outcome() == "slower" and slow.ratio.value > 1.1
    called = [(each.pair.b, name, [c.layer for c in changes]) for each, name, changes in moved(times) if changes]
    assert called == [("w8a8", "unet", ["conv_in"])]
    assert {each.why for each in timed(a, side(before), pairs)} == {"the same measurement"}


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"environment": {"cpu": "another one"}}, "another cpu: None, another one"),
        ({"threads": 8}, "another threads: 2, 8"),
        ({"emulated": True}, "another emulated: False, True"),
    ],
)
def test_latencies_of_other_machines_are_not_compared(small: RunData, change: dict, why: str):
    other = replace(small, profiles={pair: {**profile, **change} for pair, profile in small.profiles.items()})
    a, b = side(small), side(other, "main@2")
    assert {(each.ratio, each.why) for each in timed(a, b, join(small.candidates, small.candidates))} == {(None, why)}
    if "threads" in change:
        page = render(a, b)
        assert f"not comparable: {why}" in page and f"Not comparable on host: {why}" in page


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"prompts": ["owl"] * 9}, "other prompts"),
        ({"n": 64}, "another number of pictures"),
        ({"steps": 4}, "other numbers of steps"),
    ],
)
def test_scores_of_other_pictures_are_not_compared(run: RunData, change: dict, why: str):
    other = replace(run, scores={name: {**own, **change} for name, own in run.scores.items()})
    found = list(scored(side(run), side(other, "main@2"), join(run.candidates, run.candidates)))
    assert found and all(each.why == why and each.tone == "" and each.between is None for each in found)


def test_a_score_is_worse_where_the_intervals_are_apart_in_the_metrics_own_direction(run: RunData):
    metrics = copy.deepcopy(dict(run.scores))
    for name, factor in (("alignment", 0.5), ("frechet", 0.5)):
        value = metrics["w8a8"]["metrics"][name]
        value |= {key: value[key] * factor for key in ("value", "low", "high")}
    found = scored(side(run), side(replace(run, scores=metrics), "main@2"), join(run.candidates, run.candidates))
    tones = {(each.metric.name, each.pair.a): each.tone for each in found}
    assert (tones["alignment", "w8a8"], tones["frechet", "w8a8"]) == ("worse", "better")
    assert (tones["alignment", "base"], tones["psnr_db", "w8a8"]) == ("", "")


def test_the_page_tells_choices_settings_and_pictures_and_is_the_same_twice(small: RunData, make):
    other = replace(small, recipe=make.recipe(rank={"maximize": "speed"}, seed=7))
    a, b = side(small), side(other, "main@2")
    page = render(a, b)
    assert page == render(a, b)
    for words in ("A ships w8a8; B ships", "rank.maximize", "Pareto fronts over each other", "main@2"):
        assert words in page
    assert page.count("data:image/png;base64,") == 4 * 8, "four prompts, four pairs"


def test_the_page_opens_under_its_policy_fits_a_phone_and_prints(browser: Browser, small: RunData, tmp_path: Path):
    file = tmp_path / "runs.html"
    file.write_text(render(side(sampled(small, 0)), side(sampled(small, 1, slower=1.5), "main@2")))
    opened = browser.open(file, width=390)
    text, overlaps = printed(opened.pdf())
    assert opened.console == [] and opened.run("document.documentElement.scrollWidth") == 390
    assert overlaps == [] and "conv_in" in text and "Layers that moved" in text
    drawn = opened.run("[...document.querySelectorAll('svg.figure text')].map((text) => text.textContent)")
    assert {"base A", "base B", "w8a8 A", "w8a8 B"} <= set(drawn)


def test_hostile_names_do_nothing(browser: Browser, hostile: RunData, run: RunData, tmp_path: Path):
    file = tmp_path / "runs.html"
    file.write_text(render(replace(side(hostile), name="<img src=x onerror='document.title=1'>"), side(run, "main@2")))
    opened = browser.open(file)
    assert opened.console == [] and opened.run("document.title") != "1"
    assert opened.run("document.querySelectorAll('[onerror]').length") == 0


def test_runs_of_another_shape_still_make_a_page(small: RunData):
    bare = replace(small, scores={}, pictures={}, profiles={}, candidates=small.candidates[:1])
    for a, b in ((small, bare), (bare, small)):
        assert "<h2>A ships" in render(side(a), side(b, "main@2"))
