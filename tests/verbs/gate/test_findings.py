"""A release that is worse fails by the names of what is worse; what can't be compared is never compared."""

from __future__ import annotations

import copy
import random
from xml.etree import ElementTree

import pytest

from workbench.release.figures import SCHEMA, Figures
from workbench.verbs.gate.findings import APART, FAILS, PASSES, UNJUDGED, Finding, findings
from workbench.verbs.gate.gate import Verdict
from workbench.verbs.gate.policy import Policy
from workbench.verbs.gate.show import failures, junit, markdown

LAYERS = {"down.conv": 4.0, "mid.attn": 3.0, "up.conv": 3.0}
EVIL = "<script>|`x`"


def release(seed: int, slower: dict[str, float] | None = None, lost: float = 0.0, **changes) -> Figures:
    """A U-Net of three layers on ``host``, scored by ``n`` pictures; ``slower``: factors of layers; ``lost``: of each
    picture's score."""
    draw, factors = random.Random(seed), slower or {}

    def passes(ms: float) -> list[float]:
        return [ms * (1 + draw.gauss(0, 0.003)) for _ in range(60)]

    layers = {name: passes(ms * factors.get(name, 1.0)) for name, ms in LAYERS.items()}
    whole = passes(sum(ms * factors.get(name, 1.0) for name, ms in LAYERS.items()))
    unet = {"latency_ms": {"median": sorted(whole)[30], "n": 60, "samples": whole}, "layer_samples_ms": layers}
    pictures = [0.8 - lost + random.Random(i).gauss(0, 0.1) + draw.gauss(0, 0.005) for i in range(64)]
    mean = sum(pictures) / 64
    score = {"value": mean, "low": mean - 0.03, "high": mean + 0.03, "n": 64, "by_picture": pictures}
    summary = {
        "candidate": "w8a8", "target": "host", "runtime": "onnxruntime", "threads": 2, "components": {"unet": unet},
        "size_bytes": 10_000_000, "peak_rss_bytes": 200_000_000, "environment": {"cpu": "one", "cores_usable": 2},
    }  # fmt: skip
    drawn = {"n": 64, "prompts_sha256": "p", "steps": 10, "guidance_scale": 3.0, "seed": 0}
    return {
        "schema": SCHEMA, "run": "main", "candidate": "w8a8", "scheme": "w8a8", "lineage": ["quantize"],
        "targets": {"host": summary | changes.pop("summary", {})},
        "quality": {"perceptual": {"label": "perceptual", "unit": "", "better": "high", "value": score}},
        "drawn": drawn | changes.pop("drawn", {}),
    }  # fmt: skip


def outcomes(old: Figures, new: Figures, **policy) -> dict[str, str]:
    return {each.name: each.outcome for each in findings(old, new, Policy.model_validate(policy), {})}


FIGURES = ("size", "host: latency", "host: memory", "perceptual")


def test_the_same_against_the_same_passes_and_so_does_noise():
    first = release(0)
    assert outcomes(first, first) == outcomes(first, release(1)) == dict.fromkeys(FIGURES, PASSES)


def test_a_slower_layer_fails_by_its_name_and_with_it_the_whole():
    found = outcomes(release(0), release(1, {"mid.attn": 1.34}))
    assert {name for name, outcome in found.items() if outcome == FAILS} == {"host: latency", "host: unet mid.attn"}
    assert outcomes(release(1, {"mid.attn": 1.34}), release(0)) == dict.fromkeys(FIGURES, PASSES), "faster is no fault"


def test_time_outside_kernels_is_no_layer_that_fails():
    old, new = release(0), release(1)
    for side, ms in ((old, 1.0), (new, 2.0)):
        side["targets"]["host"]["components"]["unet"]["layer_samples_ms"]["(runtime)"] = [
            ms + i / 1e4 for i in range(60)
        ]
    assert outcomes(old, new) == dict.fromkeys(FIGURES, PASSES)


def test_what_others_took_of_the_machine_is_no_slowdown_of_the_release():
    busy = release(1, {"mid.attn": 1.34}, summary={"noise": {"steal_share": 0.1, "others_share": 0.4}})
    found = {each.name: each for each in findings(release(0), busy, Policy(), {})}
    assert set(found) == set(FIGURES) and found["host: latency"].outcome == PASSES
    assert "5.0 % slower could hide in the noise" in found["host: latency"].why


def test_worse_pictures_fail_by_the_metrics_name():
    found = outcomes(release(0), release(1, lost=0.05))
    assert found == dict.fromkeys(FIGURES, PASSES) | {"perceptual": FAILS}
    assert outcomes(release(0), release(1, lost=0.05), metrics={"perceptual": {"worse": 0.1}})["perceptual"] == PASSES


def test_better_pictures_fail_only_where_both_ends_are_asked_for():
    old, new = release(0, lost=0.05), release(1)
    assert outcomes(old, new)["perceptual"] == PASSES
    assert outcomes(old, new, quality={"both": True})["perceptual"] == FAILS


def test_a_larger_file_and_more_memory_fail_beyond_their_limits():
    new = release(1, summary={"size_bytes": 10_300_000, "peak_rss_bytes": 230_000_000})
    found = outcomes(release(0), new)
    assert (found["size"], found["host: memory"]) == (FAILS, FAILS)
    found = outcomes(release(0), new, size=0.05, targets={"host": {"memory": None}})
    assert (found["size"], found["host: memory"]) == (PASSES, UNJUDGED)


@pytest.mark.parametrize(
    ("change", "apart", "why"),
    [
        ({"summary": {"environment": {"cpu": "other"}}}, {"host: latency", "host: memory"}, "another cpu: one, other"),
        ({"summary": {"threads": 4}}, {"host: latency", "host: memory"}, "another threads: 2, 4"),
        ({"drawn": {"prompts_sha256": "q"}}, {"perceptual"}, "other prompts"),
        ({"drawn": {"n": 32}}, {"perceptual"}, "another number of pictures"),
    ],
)
def test_what_can_not_be_compared_is_not_and_fails_unless_it_may(change: dict, apart: set[str], why: str):
    found = list(findings(release(0), release(1, {"mid.attn": 2.0}, lost=0.2, **change), Policy(), {}))
    out = {each.name: each.why for each in found if each.outcome == APART}
    assert set(out) == apart and all(why in said for said in out.values())
    assert apart <= set(failures(found, apart_fails=True)) and not apart & set(failures(found, apart_fails=False))


def test_a_target_or_metric_that_only_one_has_is_told():
    new = copy.deepcopy(release(1))
    new["targets"]["adb:x"], new["quality"]["fid"] = new["targets"]["host"], new["quality"]["perceptual"]
    found = {each.name: each for each in findings(release(0), new, Policy(), {})}
    assert (found["adb:x: latency"].outcome, found["fid"].outcome) == (APART, APART)
    assert "only NEW" in found["adb:x: latency"].why and "only NEW" in found["fid"].why


def verdict(*names: str) -> Verdict:
    found = [Finding(name, 1.0, 2.0, "ms", "+100 %", "≤ 5 %", FAILS, EVIL) for name in names]
    found += [Finding("size", 1.0, 1.0, "MB", "±0", "", PASSES), Finding("fid", None, None, "", "", "", APART, "why")]
    return Verdict("old", "new", found, failures(found, apart_fails=False))


def test_junit_has_a_case_for_every_figure_as_a_parser_reads_it():
    suite = ElementTree.fromstring(junit(verdict(EVIL, "host: latency"))).find("testsuite")
    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == ("4", "2", "1")
    cases = {case.get("name"): {part.tag for part in case} for case in suite}
    assert cases == {EVIL: {"failure"}, "host: latency": {"failure"}, "size": {"system-out"}, "fid": {"skipped"}}


def test_junit_is_read_by_the_library_that_servers_use():
    junitparser = pytest.importorskip("junitparser", reason="an extra of the tests")
    (suite,) = junitparser.JUnitXml.fromstring(junit(verdict("host: latency")).encode())
    failed = [case.name for case in suite if any(isinstance(r, junitparser.Failure) for r in case.result)]
    assert (suite.tests, suite.failures, failed) == (3, 1, ["host: latency"])


def test_markdown_puts_what_fails_first_and_no_name_breaks_out_of_its_cell():
    text = markdown(verdict(EVIL))
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert "❌ fails" in text and "<" not in text and len({row.count("|") for row in rows}) == 1
    assert rows[2].startswith("| &#60;script&#62;") and len(rows) == 5
