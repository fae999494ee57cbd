"""Loss curves: found wherever a step reports one, every term a named line."""

from __future__ import annotations

from types import SimpleNamespace

from workbench.report.data import CandidateData
from workbench.report.sections.training import curve_of, gather, losses

CURVE = [[step, {"loss": 3.0 / (step + 1), "task": 2.0 / (step + 1)}] for step in range(40)]


def test_a_distillation_and_a_quantization_that_trained_are_drawn_and_others_not():
    candidates = [
        CandidateData("base"),
        CandidateData("distilled", report={"steps": 1200, "curve": CURVE}),
        CandidateData("w8a8", report={"scheme": "w8a8", "components": {}}),
        CandidateData("qat", report={"scheme": "w4a16", "training": {"curve": CURVE}}),
    ]
    found = gather(SimpleNamespace(candidates=candidates), None)
    assert [(each.candidate, each.steps) for each in found] == [
        ("distilled", "1,200 optimiser steps"),
        ("qat", "40 optimiser steps"),
    ]


def test_every_term_is_named_at_the_end_of_its_line():
    drawn = losses(CURVE, "x")
    assert drawn is not None
    assert all(f">{name}</text>" in drawn for name in ("loss", "task"))
    assert 'aria-label="Loss of x over its steps: loss, task"' in drawn


def test_values_far_apart_get_a_logarithmic_axis_and_near_ones_a_linear_one_from_zero():
    near = [[step, {"loss": 2.0 - step / 100}] for step in range(40)]
    far, flat = losses(CURVE, "x"), losses(near, "x")
    assert far is not None and ">0.05<" in far and ">0.1<" in far and ">0<" not in far.split("optimiser step")[-1]
    assert flat is not None and ">0.0<" in flat.replace("0.00", "0.0")


def test_a_term_that_is_zero_all_along_is_left_out_and_one_point_is_no_curve():
    drawn = losses([[step, {"loss": 1.0 + step, "feature": 0.0}] for step in range(5)], "x")
    assert drawn is not None and "feature" not in drawn
    assert losses(CURVE[:1], "x") is None and losses([], "x") is None


def test_a_report_without_training_has_no_curve():
    assert list(curve_of({"training": "none"})) == [] and list(curve_of({})) == []
