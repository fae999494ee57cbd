"""The page's answer to "why is it as fast as it is": sentences that are right, tables, and the roofline."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from workbench.comparing.explain import Why, explain
from workbench.report.data import RunData, compared_with
from workbench.report.html import write_report
from workbench.report.ranking.rank import rank
from workbench.report.sections.why import entries
from workbench.report.sections.why.component import Formats
from workbench.report.sections.why.machine import machine
from workbench.report.sections.why.prose import sentences

FLOAT = {"Conv": 6.0, "MatMul": 2.0, "Softmax": 2.0}
INTEGER = {"quantized_macs_share": 0.9, "quantized_macs_share_with_attention": 0.8}
INTEGER |= {"stored_quantized_macs_share": 0.9}
CEILINGS = {
    "runtime": "onnxruntime", "threads": 2, "refused": {},
    "fp32": {"best": 180.0, "median": 170.0, "iqr": 5.0, "n": 50, "unit": "GMAC/s", "of": "3×3 convolution"},
    "int8": {"best": 1400.0, "median": 1000.0, "iqr": 90.0, "n": 90, "unit": "GMAC/s", "of": "matrix product"},
    "memory": [
        {"bytes": 786432, "best": 110.0, "median": 100.0, "iqr": 5.0, "n": 60, "unit": "GB/s", "of": "sum"},
        {"bytes": 67141632, "best": 50.0, "median": 40.0, "iqr": 5.0, "n": 60, "unit": "GB/s", "of": "product"},
    ],
}  # fmt: skip


def profile(name: str, ms: float, ops: dict[str, float], **component: Any) -> dict[str, Any]:
    whole = {"latency_ms": {"median": ms, "iqr": 0.1, "n": 40}, "macs": 1000, "params": 100, "op_ms": ops}
    return {
        "candidate": name, "target": "host", "runtime": "onnxruntime",
        "components": {"unet": whole | {"events": [["n", "l", "Conv", 0.0, 1.0]]} | component},
    }  # fmt: skip


def said(ms: float, ops: dict[str, float], before: dict[str, Any] | None = None, **component: Any) -> list[str]:
    old = profile("fp", 10.0, FLOAT, **(before or {}))
    (why,) = explain(old, profile("new", ms, ops, **component), None, None)
    return sentences(why)


def test_int8_that_pays_although_conversions_cost():
    ops = {"QLinearConv": 2.0, "MatMul": 2.0, "QuantizeLinear": 1.0, "Transpose": 0.5, "Softmax": 2.0}
    found = said(7.5, ops, **INTEGER)
    assert found == [
        "The U-Net is 1.33× faster than in fp (10.0 ms → 7.50 ms per pass).",
        "90 % of its MACs in convolutions and linears run in int8 (80 % of all MACs: attention's own products stay in "
        "float), so all products together take 4.00 ms instead of 8.00 ms of kernel time.",
        "But turning numbers from one format into the other takes 1.00 ms and moving them into other orders takes "
        "0.500 ms; without that it would be about 1.67× faster (estimated).",
    ]


def test_int8_that_is_only_stored():
    found = said(10.6, FLOAT | {"DequantizeLinear": 0.6}, **(INTEGER | {"quantized_macs_share": 0.0}))
    assert found[0] == "The U-Net is 1.06× slower than in fp (10.0 ms → 10.6 ms per pass)."
    assert found[1].startswith(
        "90 % of its MACs in convolutions and linears are of integers in the file, but none of them run in integer"
    )
    assert "turns the numbers back into float" in found[1] and "takes 0.600 ms" in found[2]


def test_weights_alone_that_are_packed_are_not_called_the_same_network():
    found = said(9.0, FLOAT | {"DequantizeLinear": 0.6}, scheme="w4a16")
    assert found[1] == (
        "Its weights are stored as 4-bit integers and its products are computed in float, as w4a16 means it: all "
        "products together take 8.00 ms, where fp takes 8.00 ms of kernel time."
    )
    assert "takes 0.600 ms" in found[2] and "int8" not in " ".join(found)
    assert "stored as 16-bit floats" in said(9.0, FLOAT, scheme="fp16")[1]


def test_integers_that_the_runtime_dropped_altogether():
    found = said(10.0, FLOAT, scheme="w8a16")
    assert found[1].startswith("It is w8a16, but this runtime computes none of it in integers")


def test_conversions_that_eat_up_more_than_int8_gains():
    ops = {"QLinearConv": 5.0, "MatMul": 2.0, "QuantizeLinear": 2.0, "DequantizeLinear": 1.0, "Softmax": 2.0}
    found = said(12.0, ops, **INTEGER)
    assert "1.20× slower" in found[0] and "take 7.00 ms instead of 8.00 ms" in found[1]
    assert "takes 3.00 ms, more than the products gain; without that it would be about 1.11× faster" in found[2]


def test_int8_products_that_are_slower_than_those_in_float():
    found = said(12.0, {"QLinearConv": 8.0, "MatMul": 2.0, "Softmax": 2.0}, **INTEGER)
    assert "yet all products together take 10.0 ms instead of 8.00 ms" in found[1]


def test_without_conversions_the_rest_is_what_limits():
    found = said(6.0, {"QLinearConv": 2.0, "MatMul": 2.0, "Softmax": 2.0}, **INTEGER)
    assert found[2] == (
        "33 % of its kernel time is not products, and int8 doesn't make that any faster: had products taken no time in "
        "fp, that would still be only 5.0× as fast."
    )


def test_no_difference_is_said_to_be_none_and_no_speed_is_promised():
    ops = {"QLinearConv": 4.0, "MatMul": 2.0, "QuantizeLinear": 2.0, "Softmax": 2.0}
    found = said(9.95, ops, **INTEGER)
    assert found[0].startswith("The U-Net is neither faster nor slower than in fp beyond the spread")
    assert "without that" not in " ".join(found)


def test_a_clock_that_the_kernels_contradict_is_not_explained_away():
    found = said(20.0, {"QLinearConv": 2.0, "MatMul": 2.0, "Softmax": 2.0}, **INTEGER)
    assert "2.00× slower" in found[0]
    assert "don't show it (they add up to 10.0 ms and 6.00 ms)" in found[-1]


def test_a_pruned_candidate_is_explained_by_what_was_removed():
    found = said(5.0, {op: ms / 2 for op, ms in FLOAT.items()}, macs=700, params=40)
    assert found[:2] == [
        "The U-Net is 2.00× faster than in fp (10.0 ms → 5.00 ms per pass).",
        "30 % of its MACs and 60 % of its parameters were removed, and with them 50 % of the time: what was removed "
        "did fewer MACs per ms than what is left.",
    ]


def test_other_weights_alone_explain_nothing():
    assert said(10.0, FLOAT)[1].endswith("no difference is to be expected, and none is seen.")
    assert said(8.0, FLOAT, before={"macs": 1000})[1].endswith("the one that is seen has another cause.")


def test_every_explanation_has_two_or_three_sentences(run: RunData):
    for target, name in run.profiles:
        parent = compared_with(run.candidates, name)
        for why in _explained(run, target, parent, name):
            assert 2 <= len(sentences(why)) <= 3


def _explained(run: RunData, target: str, parent: str | None, name: str) -> list[Why]:
    before, after = run.profiles.get((target, parent or "")), run.profiles[target, name]
    if before is None:
        return []
    return explain(before, after, run.layer_table(target, str(parent)), run.layer_table(target, name))


def test_a_quantized_candidate_is_held_against_its_ancestor_in_float(make: SimpleNamespace, change: Callable[..., Any]):
    base, tiny, distilled, w8a8 = make.candidates()
    chain = [base, tiny, distilled, w8a8, replace(w8a8, name="again", parent="w8a8")]
    assert [compared_with(chain, c.name) for c in chain] == [None, "base", "bk_tiny", "distilled", "distilled"]


def ranked(run: RunData) -> Any:
    return rank(run.candidates, run.scores, run.profiles, run.recipe.rank)


def test_entries_come_by_target_and_leave_out_what_was_not_measured_beside_its_parent(run: RunData):
    found = entries(run, ranked(run))
    assert [(e.target, e.candidate, e.parent) for e in found] == [
        ("host", "bk_tiny", "base"), ("host", "distilled", "bk_tiny"), ("host", "w8a8", "distilled"),
        ("host-torch", "bk_tiny", "base"), ("host-torch", "distilled", "bk_tiny"),
    ]  # fmt: skip
    assert all([c.name for c in e.components] == ["U-Net"] for e in found)


def test_slower_layers_are_listed_and_the_rest_is_counted(run: RunData):
    (entry,) = [e for e in entries(run, ranked(run)) if e.candidate == "w8a8"]
    (component,) = entry.components
    assert len(component.slower) == 12 and component.more > 0
    lost = [r.after_ms - r.before_ms for r in component.slower]
    assert lost == sorted(lost, reverse=True) and min(lost) > 0


def with_why(run: RunData, **of_w8a8: Any) -> RunData:
    """The run with ceilings, and more of w8a8's U-Net."""
    profiles = {key: {**p, "runtime": "onnxruntime", "ceilings": CEILINGS} for key, p in run.profiles.items()}
    w8a8 = profiles["host", "w8a8"]
    components = {**w8a8["components"], "unet": {**w8a8["components"]["unet"], **of_w8a8}}
    profiles["host", "w8a8"] = {**w8a8, "components": components}
    return replace(run, profiles=profiles)


def test_conversions_are_a_matrix_of_formats(run: RunData):
    transitions = [
        {"before": "fp32", "after": "int8", "count": 100, "ms": 1.0},
        {"before": "int8", "after": "fp32", "count": 60, "ms": 0.4},
        {"before": "int8", "after": "fp32", "count": 4, "ms": 0.1},
    ]
    changed = with_why(run, transitions=transitions)
    (entry,) = [e for e in entries(changed, ranked(changed)) if e.candidate == "w8a8"]
    formats = entry.components[0].formats
    none = ("–", "")
    rows = [("fp32", [("1.00 ms", "100"), none]), ("int8", [none, ("0.500 ms", "64")])]
    assert formats == Formats(["int8", "fp32"], rows)


def test_the_roofline_stands_on_the_page_and_is_small(run: RunData, page, tmp_path):
    text = write_report(with_why(run), tmp_path).read_text()
    section = text[text.index('<section id="why"') :]
    section = section[: section.index("</section>")]
    assert 'aria-label="Layers under the machine&#x27;s ceilings"' in section
    assert "1,400 GMAC/s (best of n = 90; median 1,000" in section and "int8" in section
    assert len(section.encode()) < 150_000
    assert "Layers under" not in page.read_text()


def test_without_ceilings_there_is_no_roofline(run: RunData):
    assert ranked(run).subject == "w8a8" and machine(run, ranked(run)) is None


def test_the_figure_shows_the_candidate_beside_its_parent(run: RunData):
    changed = with_why(run)
    found = machine(changed, ranked(changed))
    assert found and {candidate for candidate, _ in found.shares} == {"distilled", "w8a8"}
    titles = re.findall(r">(\w+) \(not shown: [\d.]+ % of the time, no products\)<", found.figure)
    assert titles == ["distilled", "w8a8"]
    first = machine(changed, replace(ranked(changed), chosen="base"))
    assert first and {candidate for candidate, _ in first.shares} == {"base"}


def test_hostile_layer_names_and_formats_stay_text(run: RunData, tmp_path):
    hostile = "<img src=x onerror=alert(1)>"
    transitions = [{"before": hostile, "after": hostile, "count": 1, "ms": 1.0}]
    changed = with_why(run, transitions=transitions)
    layers = dict(changed.layers)
    for name in ("distilled", "w8a8"):
        table = changed.layer_table("host", name).copy()
        table.loc[table["layer"] == "conv_in", "layer"] = hostile
        layers["host", name] = table
    text = write_report(replace(changed, layers=layers), tmp_path).read_text()
    assert "<img src=x" not in text and text.count("&lt;img src=x onerror") >= 3


@pytest.mark.parametrize("missing", ["op_ms", "quantized_macs_share", "kernel_ms"])
def test_an_older_profile_without_a_field_still_makes_a_page(run: RunData, missing: str):
    profiles = {
        key: {**p, "components": {n: {k: v for k, v in c.items() if k != missing} for n, c in p["components"].items()}}
        for key, p in run.profiles.items()
    }
    older = replace(run, profiles=profiles)
    assert len(entries(older, ranked(older))) == 5
