"""The budget table adds up as the pipeline does, and a part that wasn't measured is missing, never free."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

from workbench.models.families.stable_diffusion import FAMILY
from workbench.report.page import fill
from workbench.report.sections.budget import Facts
from workbench.report.sections.budget.sums import Row, table

TIMES = {"text_encoder": 2.0, "unet": 10.0, "vae_decoder": 6.0}


def profile(times: dict[str, float], steps: int = 10, passes: int = 2, told: float | None = None, **more: Any) -> Any:
    whole = sum(ms * {"unet": steps * passes, "text_encoder": passes}.get(name, 1) for name, ms in times.items())
    latency = {"median": told or whole, "iqr": 3.0, "n": 30}
    return {
        "pipeline": {"steps": steps, "guidance_passes": passes, "formula": FAMILY.formula, "latency_ms": latency},
        "components": {name: {"latency_ms": {"median": ms, "iqr": 0.1, "n": 40}} for name, ms in times.items()},
    } | more


def run(*names: str, **targets: dict[str, Any]) -> Any:
    profiles = {(target, name): p for target, by_name in targets.items() for name, p in by_name.items()}
    candidates = [SimpleNamespace(name=name) for name in names]
    return SimpleNamespace(candidates=candidates, profiles=profiles, targets=list(targets))


def rows(of: Any) -> Sequence[Row]:
    return table(of).rows


def test_a_two_step_student_shows_what_the_decoder_costs():
    few = profile(TIMES | {"unet": 4.0}, steps=2, passes=1)
    base, student = rows(run("base", "few-2steps", host={"base": profile(TIMES, steps=25), "few-2steps": few}))
    assert base.parts == ["2 × 2.00 = 4.00", "25 × 2 × 10.0 = 500", "6.00"]
    assert (base.total, base.share, base.spread) == ("510", "1.2 %", "IQR 3.00 · n = 30")
    assert (base.faster, base.than, base.note, base.kind) == ("1.00×", "", "", "measured")
    assert student.parts[:2] == ["1 × 2.00 = 2.00", "2 × 1 × 4.00 = 8.00"]
    assert (student.total, student.share) == ("16.0", "38 %")
    assert (student.faster, student.than) == ("31.9×", "base")


def test_each_target_has_its_own_first_candidate_and_rows_stay_together():
    found = rows(
        run(
            "base",
            "fp16",
            host={"fp16": profile(TIMES), "base": profile(TIMES)},
            phone={"fp16": profile(TIMES | {"unet": 5.0}, emulated=True)},
        )
    )
    assert [(r.target, r.candidate) for r in found] == [("host", "base"), ("host", "fp16"), ("phone", "fp16")]
    assert [(r.faster, r.than) for r in found] == [("1.00×", ""), ("1.00×", "base"), ("1.00×", "")]
    assert [r.kind for r in found] == ["measured", "measured", "emulated"]


def test_a_device_with_only_the_unet_has_no_sum_and_no_zero():
    alone = profile({"unet": 10.0}) | {"pipeline": None}
    two = profile({"unet": 10.0, "vae_decoder": 6.0})
    only, without, whole = rows(run("a", "b", "c", phone={"a": alone, "b": two, "c": profile(TIMES)}))
    assert only.parts == ["missing", "10.0 a call", "missing"]
    assert (only.total, only.spread, only.share, only.faster) == ("–", "", "–", "–")
    assert only.note == "no sum: text encoder and decoder missing"
    assert (without.parts, without.total) == (["missing", "10 × 2 × 10.0 = 200", "6.00"], "–")
    assert without.note == "no sum: text encoder missing; the profile's pipeline latency: 206 ms"
    assert (whole.total, whole.faster) == ("210", "–"), "nothing to be faster than"


def test_all_parts_without_a_pipeline_are_not_added_up():
    (row,) = rows(run("a", phone={"a": profile(TIMES) | {"pipeline": None}}))
    assert (row.parts, row.total) == (["2.00 a call", "10.0 a call", "6.00 a call"], "–")
    assert row.note == "no sum: the profile tells no timesteps and guidance passes"


def test_both_are_told_where_the_profile_says_something_else():
    for told, note in ((212.0, ""), (231.0, "the profile's pipeline latency: 231 ms, +10 % against the sum")):
        (row,) = rows(run("a", host={"a": profile(TIMES, told=told)}))
        assert (row.total, row.note) == ("210", note)


def shown(of: Any) -> str:
    """The table of sums on the page."""
    page = fill("budget/section.html", run=of, facts=Facts(None, table(of), few_steps=False))
    return page[: page.index("Components one by one")]


def test_the_page_escapes_names_and_marks_what_is_not_measured():
    page = shown(run("<b>", host={"<b>": profile(TIMES, told=400, simulated=True)}))
    assert "&lt;b&gt;" in page and "<b>" not in page
    assert '<span class="tag loud">simulated</span>' in page and "400 ms, +90 % against the sum" in page
    assert page.count("<td") == 8 and page.count('<th scope="col"') == 9
    plain = shown(run("a", host={"a": profile(TIMES)}))
    assert plain.count("<td") == 7 and plain.count('<th scope="col"') == 8, "no column of empty notes"


def test_a_simulated_scheme_on_an_emulated_device_is_told_as_both():
    (row,) = rows(run("w8a16", arm={"w8a16": profile(TIMES, simulated=True, emulated=True)}))
    assert row.kind == "simulated, emulated"
