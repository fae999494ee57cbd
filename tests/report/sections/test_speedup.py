"""The section that sets faster, only smaller and only simulated apart, and the same words in table, CSV and figures."""

from __future__ import annotations

import csv
import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from workbench.report.data import RunData
from workbench.report.html import write_report
from workbench.report.ranking.rank import Ranking, rank
from workbench.report.sections.speedup import gather


def section(text: str, name: str) -> str:
    start = text.index(f'<section id="{name}"')
    return text[start : text.index("</section>", start)]


def ranked(run: RunData) -> Ranking:
    return rank(run.candidates, run.scores, run.profiles, run.recipe.rank)


def words(run: RunData) -> dict[str, str]:
    return {name: gain.word for (target, name), gain in ranked(run).gains.items() if target == "host"}


@pytest.fixture(scope="module")
def simulated(small: RunData) -> RunData:
    """The run with a W8A8 that this machine computes in float."""
    key = ("host", "w8a8")
    unet = small.profiles[key]["components"]["unet"] | {"simulated": True, "quantized_macs_share": 0.0}
    parts = {**small.profiles[key]["components"], "unet": unet}
    profiles = {**small.profiles, key: {**small.profiles[key], "simulated": True, "components": parts}}
    return replace(small, profiles=profiles)


def test_every_candidate_is_judged_against_what_it_was_made_from(run: RunData):
    assert words(run) == {"bk_tiny": "faster", "distilled": "same network", "w8a8": "accelerated"}
    assert ranked(run).gains["host", "w8a8"].parent == "distilled"


def test_the_row_keeps_files_loading_memory_and_time_apart(small: RunData):
    (target,) = gather(small, ranked(small))
    row = next(r for r in target.rows if r.candidate == "w8a8")
    expected: dict[str, Any] = {
        "denoiser": ("5.03", "0.68×"),
        "files": ("15.1", "0.68×"),
        "load": ("183", "73.5"),
        "memory": ("104", "370"),
        "integers": ["U-Net 96 %"],
        "simulated": "",
        "word": "accelerated",
        "tone": "good",
    }
    assert {key: getattr(row, key) for key in expected} == expected
    assert row.speed[0] == "1.44×" and row.speed[1].endswith(" · 78")
    assert row.overall == "2.61×"
    assert {word for word, _, _ in target.words} == {"faster", "same network", "accelerated"}


def test_the_untouched_model_is_the_first_row_and_is_not_judged(small: RunData):
    (target,) = gather(small, ranked(small))
    first = target.rows[0]
    assert (first.candidate, first.word, first.overall) == ("base", "", "–")


def test_memory_that_was_not_measured_is_a_dash(small: RunData):
    profiles = {key: {**p, "running_rss_bytes": None, "peak_rss_bytes": None} for key, p in small.profiles.items()}
    bare = replace(small, profiles=profiles)
    (target,) = gather(bare, ranked(bare))
    assert all(row.memory == ("–", "–") for row in target.rows)


def test_simulated_stands_beside_every_latency(simulated: RunData, tmp_path: Path):
    page = write_report(simulated, tmp_path)
    text = page.read_text()
    assert words(simulated)["w8a8"] == "simulated"
    table = section(text, "candidates")
    assert re.search(r"w8a8 <span class=\"tag loud\">simulated</span>", table)
    assert re.search(r">\d+ ms \(simulated\)", table), "the figure's label"
    bought, budget = section(text, "steps-bought"), section(text, "budget")
    assert ">w8a8 (simulated)<" in bought and ">w8a8 (simulated)<" in budget
    assert 'unet <span class="tag loud">simulated</span>' in budget
    assert 'vae_decoder <span class="tag loud">' not in budget
    assert "of which this runtime runs 0 % of the MACs in integers" in section(text, "speedup")


def test_the_csv_has_the_verdict_of_every_row(simulated: RunData, tmp_path: Path):
    rows = list(csv.DictReader(write_report(simulated, tmp_path).with_suffix(".csv").open()))
    assert [r["gain"] for r in rows] == ["", "faster", "same network", "simulated"]
    assert [r["simulated"] for r in rows] == ["False", "False", "False", "True"]
    assert list(rows[0])[-2:] == ["gain", "reason"]


def test_a_report_of_one_candidate_has_no_such_section(small: RunData, tmp_path: Path):
    alone = replace(
        small, candidates=small.candidates[:1], profiles={k: p for k, p in small.profiles.items() if k[1] == "base"}
    )
    text = write_report(alone, tmp_path).read_text()
    assert 'id="speedup"' not in text and 'href="#speedup"' not in text
    assert 'id="training"' not in text and 'href="#training"' not in text


def test_training_has_a_section_with_a_figure_per_trained_candidate(page: Path):
    found = section(page.read_text(), "training")
    assert found.count("<svg") == 1 and "300 optimiser steps" in found


def test_a_quantize_report_by_components_is_shown_component_by_component(page: Path):
    found = section(page.read_text(), "steps")
    own = found[found.index("<h3>w8a8") :]
    assert "<h4>U-Net</h4>" in own and "<dt>rounding</dt><dd>nearest</dd>" in own
    assert own.index("<dt>rounding</dt>") < own.index("<h4>U-Net</h4>") < own.index("<dt>layers quantized</dt>")
    assert "<dt>curve</dt>" not in found


@pytest.fixture(scope="module")
def many(small: RunData) -> RunData:
    """The run with nine candidates: five more made from the distilled one, all like W8A8."""
    names = [f"variant_{i}" for i in range(5)]
    like = next(c for c in small.candidates if c.name == "w8a8")
    return replace(
        small,
        candidates=[*small.candidates, *(replace(like, name=name) for name in names)],
        scores={**small.scores, **dict.fromkeys(names, small.scores["w8a8"])},
        profiles={
            **small.profiles,
            **{("host", name): {**small.profiles["host", "w8a8"], "candidate": name} for name in names},
        },
    )


def test_many_candidates_are_rows_of_the_scores_and_all_but_the_choice_are_folded(many: RunData, tmp_path: Path):
    text = write_report(many, tmp_path).read_text()
    scores = section(text, "quality")
    rows = re.findall(r'<tr><th scope="row">([^<]+)</th>', scores)
    assert rows == [*(c.name for c in many.candidates), "real pictures"]
    assert "0.295<small>0.281 to 0.309</small>" in scores
    assert len(re.findall(r"<summary>[\w ]+ against \w+ on host</summary>", section(text, "why"))) == 7
    assert "variant_<wbr>4" in section(text, "pictures")


def test_names_at_the_ends_of_many_lines_stay_above_the_axis():
    from workbench.report.figures import svg

    with svg.style():
        figure, axes = svg.canvas(5, 2.7)
        axes.plot([0, 1], [0, 1])
        names = [str(i) for i in range(8)]
        svg.end_labels(axes, {n: (1.0, 0.01 * i) for i, n in enumerate(names)}, dict.fromkeys(names, svg.FG))
        figure.canvas.draw()
        boxes = [text.get_window_extent() for text in axes.texts]
    assert len(boxes) == 8 and min(box.y0 for box in boxes) > axes.bbox.y0 - 2
    heights = sorted((box.y0 + box.y1) / 2 for box in boxes)
    assert all(b - a > svg.FONT_PT for a, b in pairwise(heights))
