"""Figures: the same bytes each time, colours that the page decides, texts that neither overlap nor lose digits."""

from __future__ import annotations

import re

import pytest

from workbench.metrics.registry import metrics
from workbench.report.figures import bars, svg
from workbench.report.ranking.rank import rank
from workbench.report.sections.candidates.pareto import pareto


@pytest.fixture(scope="module")
def ranking(run):
    return rank(run.candidates, run.scores, run.profiles, run.recipe.rank)


def sqnr(scores, names):
    return bars.by_timestep(metrics()["unet_sqnr_db"], scores, names)


def test_same_input_same_bytes(run, ranking):
    limits = run.recipe.rank.constraints.model_dump()
    assert pareto(ranking, "host", limits) == pareto(ranking, "host", limits)
    assert bars.budget(run.profiles, ["base", "w8a8"]) == bars.budget(run.profiles, ["base", "w8a8"])


def test_the_last_bits_of_a_place_change_no_byte():
    def drawn(nudge: float) -> str:
        figure, axes = svg.canvas(3, 2)
        figure.set_layout_engine("none")
        axes.set_position((0.1 + nudge, 0.1, 0.8, 0.8))
        axes.plot([0, 1], [0, 1], marker="o")
        return svg.to_svg(figure, "nudged", "A line")

    with svg.style():
        assert drawn(1e-15) == drawn(0.0)


def test_colours_are_variables_of_the_page(run, ranking):
    for drawn in (pareto(ranking, "host", {}), sqnr(run.scores, ["base", "bk_tiny", "w8a8"])):
        assert drawn is not None
        assert set(re.findall(r"#[0-9a-f]{6}\b", drawn)) == set()
        assert "var(--s3)" in drawn or "var(--s2)" in drawn


def test_no_metadata_no_outside_address(ranking):
    drawn = bars.steps_bought(ranking, "host")
    assert drawn is not None
    assert not re.search(r"<metadata|<!DOCTYPE|https?:|xmlns|xlink", drawn)


def test_numbers_in_texts_keep_their_digits(ranking):
    drawn = bars.steps_bought(ranking, "host")
    assert drawn is not None and ">0.312<" in drawn


def test_ids_of_two_figures_differ(ranking):
    one, other = pareto(ranking, "host", {}), pareto(ranking, "host-torch", {})
    assert one is not None and other is not None
    assert not set(re.findall(r'\bid="([^"]+)"', one)) & set(re.findall(r'\bid="([^"]+)"', other))


def test_every_reference_inside_a_figure_has_its_target(ranking):
    drawn = pareto(ranking, "host", {"latency_ms": 150.0, "alignment_drop": 0.1})
    assert drawn is not None
    used = set(re.findall(r'(?:href="#|url\(#)([^")]+)', drawn))
    assert used and used <= set(re.findall(r'\bid="([^"]+)"', drawn))


def test_nothing_measured_gives_no_figure(run):
    assert sqnr({"base": run.scores["base"]}, ["base"]) is None
    assert bars.budget({("host", "base"): {}}, ["base"]) is None


def test_a_branch_is_held_against_what_it_was_made_from_not_against_its_neighbour(make):
    """Three candidates of one parent, each of half its latency: the figure shows −50 % three times."""
    from workbench.recipe.schema import Rank
    from workbench.report.data import CandidateData

    names = ("base", "first", "second", "third")
    candidates = [CandidateData(name, parent="base" if name != "base" else None) for name in names]
    profiles = {
        ("host", name): {"pipeline": {"latency_ms": {"median": 100.0 if name == "base" else 50.0}}, "size_bytes": 1e6}
        for name in names
    }
    drawn = bars.steps_bought(rank(candidates, {}, profiles, Rank(maximize="speed")), "host")
    assert drawn is not None and drawn.count("−50 %") == 3


def test_spread_keeps_order_and_distance():
    out = svg.spread([1.0, 1.1, 5.0, 1.05], 1.0)
    assert out[0] < out[3] < out[1] < out[2]
    assert all(b - a >= 1 - 1e-6 for a, b in zip(sorted(out), sorted(out)[1:], strict=False))


def test_callers_matplotlib_settings_are_left_alone():
    import matplotlib as mpl

    before = mpl.rcParams["svg.fonttype"]
    with svg.style():
        assert mpl.rcParams["svg.fonttype"] == "none"
    assert mpl.rcParams["svg.fonttype"] == before


def test_bars_of_a_quick_target_are_seen_beside_a_slow_one():
    parts = {"text_encoder": 1.0, "unet": 90.0, "vae_decoder": 9.0}
    slow = {name: 1000 * ms for name, ms in parts.items()}
    alone = bars.budget({("host", "base"): {"pipeline": {"parts_ms": parts}}}, ["base"])
    both = bars.budget(
        {
            ("host", "base"): {"pipeline": {"parts_ms": parts}},
            ("adb:x", "base"): {"pipeline": {"parts_ms": slow}, "simulated": True, "emulated": True},
        },
        ["base"],
    )
    assert alone is not None and "U-Net 90" in alone and "scale" not in alone
    assert both is not None and "U-Net 90" in both, "too short for its name: drawn to the other's scale"
    assert "host, to its own scale" in both and "base (simulated, emulated)" in both


def test_the_longest_name_leaves_room_for_its_bar(recwarn):
    name = f"{'first' * 10}{'-last' * 10}"
    drawn = bars.budget({("host", name): {"pipeline": {"parts_ms": {"unet": 90.0}}}}, [name])
    assert drawn is not None and "U-Net 90" in drawn, "the bar is too short for its name"
    assert "firstfirstfirstfirstfirstf…ast-last-last" in drawn and not recwarn.list


def _pareto(*rows, limits=None):
    """The figure of candidates: name, latency, alignment; the first is chosen, all but the last are on the front."""
    from types import SimpleNamespace

    import pandas as pd

    table = pd.DataFrame(rows, columns=["candidate", "latency_ms", "alignment"])
    table = table.assign(target="host", size_bytes=1e6, pareto=table.index < len(rows) - 1, chosen=table.index == 0)
    metric = metrics()["alignment"]
    told = {"quality": metric.name, "quality_label": metric.label, "metric": metric}
    ranking = SimpleNamespace(table=table, target="host", **told)
    return pareto(ranking, "host", limits or {})


def _numbers_beside_the_axis(drawn):
    return [float(text) for text in re.findall(r">(\d\.\d+)<", drawn)]


def test_a_few_step_student_is_not_on_a_heap_with_its_like():
    rows = [("few-2steps", 50.0, 0.92), ("few-1step", 40.0, 0.9)]
    assert "logarithmic" in _pareto(("base", 1600.0, 0.94), *rows)
    assert "logarithmic" not in _pareto(("base", 200.0, 0.94), *rows)


def test_a_student_that_was_taught_nothing_yet_doesnt_squeeze_the_others_into_a_line():
    taught = [("base", 200.0, 0.94), ("distilled", 100.0, 0.9), ("w8a8", 80.0, 0.89)]
    drawn = _pareto(*taught, ("bk_tiny", 100.0, 0.22))
    assert min(_numbers_beside_the_axis(drawn)) > 0.8, "the axis is that of the others"
    assert "bk_tiny, 0.220" in drawn, "and it is there with its value"
    assert "bk_tiny, " not in _pareto(*taught, ("bk_tiny", 100.0, 0.8)), "a candidate not far below is on the axis"


def test_the_chosen_candidate_and_most_of_the_others_are_always_on_the_axis():
    assert "poor, " not in _pareto(("poor", 80.0, 0.22), ("base", 200.0, 0.94), ("distilled", 100.0, 0.9))
    students = [(f"student{i}", 50.0 + i, 0.88 + 0.002 * i) for i in range(5)]
    drawn = _pareto(("base", 200.0, 0.941), ("teacher", 200.0, 0.943), *students)
    assert not any(f"{name}, " in drawn for name, *_ in students), "two good ones don't make a figure without the rest"


def test_a_limit_far_below_is_named_and_not_drawn():
    rows = [("base", 200.0, 0.94), ("distilled", 100.0, 0.9), ("w8a8", 80.0, 0.89)]
    near, far = (_pareto(*rows, limits={"alignment_drop": drop}) for drop in (0.1, 0.5))
    assert ">limit 0.846<" in near and ">limit 0.470, below<" in far
    assert min(_numbers_beside_the_axis(far)) > 0.8
