"""The choice: constraints, the best within them, ties, what is nearest when none fits, and the words for it."""

from __future__ import annotations

import math
from typing import Any

import pytest

from workbench.errors import InputError
from workbench.recipe.schema import Rank
from workbench.report.data import CandidateData
from workbench.report.ranking.rank import Ranking, rank

Spec = tuple[float, float, float | None]  # latency in ms, size in MB, alignment


def ranked(
    specs: dict[str, Spec], interval: float = 0.0, n: int = 64, simulated: tuple[str, ...] = (), **settings: Any
) -> Ranking:
    """Ranks candidates given by their figures on one target."""
    scores: dict[str, dict[str, Any]] = {}
    profiles: dict[tuple[str, str], dict[str, Any]] = {}
    for name, (ms, mb, value) in specs.items():
        found = value and {"value": value, "low": value - interval, "high": value + interval, "n": n}
        scores[name] = {"metrics": {"alignment": found} if found else {}}
        latency = {"median": ms, "p90": ms, "n": 30}
        profiles["host", name] = {"pipeline": {"latency_ms": latency}, "size_bytes": mb * 1e6, "peak_rss_bytes": 3e8}
        profiles["host", name] |= {"simulated": name in simulated}
    settings["constraints"] = settings.get("constraints", {})
    return rank([CandidateData(n) for n in specs], scores, profiles, Rank.model_validate(settings))


def reasons(ranking: Ranking) -> dict[str, str]:
    return dict(zip(ranking.table.candidate, ranking.table.reason, strict=True))


CHAIN: dict[str, Spec] = {
    "base": (100, 40, 0.30),
    "tiny": (60, 20, 0.10),
    "distilled": (60, 20, 0.29),
    "w8a8": (40, 10, 0.28),
}


def test_best_quality_within_the_limits_is_chosen():
    ranking = ranked(CHAIN, constraints={"latency_ms": 80.0, "alignment_drop": 0.1})
    assert ranking.chosen == "distilled"
    assert (
        ranking.decision
        == "distilled is the best in alignment (demo) of the 2 candidates within the limits, measured on host."
    )
    assert ranking.table.chosen.tolist() == [False, False, True, False]


def test_every_row_says_why():
    said = reasons(ranked(CHAIN, constraints={"latency_ms": 80.0, "alignment_drop": 0.1}))
    assert said["base"] == "25 % slower than the limit (100 ms, limit 80)"
    assert said["tiny"] == "alignment (demo) 67 % below base, the limit is 10 %"
    assert said["distilled"].startswith("chosen: the best in alignment (demo)")
    assert said["w8a8"] == "within the limits, but lower in alignment (demo) than distilled (0.280 against 0.290)"


def test_pareto_front_drops_what_is_nowhere_better():
    ranking = ranked(CHAIN)
    assert ranking.table.pareto.tolist() == [True, False, True, True]
    assert reasons(ranking)["tiny"] == "dominated by w8a8: smaller, faster and better in alignment (demo)"


def test_equal_candidates_do_not_dominate_each_other():
    assert ranked({"a": (10, 10, 0.2), "b": (10, 10, 0.2)}).table.pareto.tolist() == [True, True]


def test_dominated_by_a_lead_within_the_interval_is_called_equal():
    specs: dict[str, Spec] = {"base": (100, 40, 0.30), "w8a8": (40, 10, 0.301)}
    said = reasons(ranked(specs, interval=0.02, maximize="speed"))
    assert said["base"] == "dominated by w8a8: smaller and faster at equal alignment (demo) within the interval"


def test_what_quality_doesnt_tell_apart_is_a_tie_that_goes_to_the_faster():
    ranking = ranked({"base": (100, 40, 0.30), "w8a8": (40, 10, 0.29)}, interval=0.02, n=128)
    assert ranking.chosen == "w8a8"
    assert ranking.decision == (
        "w8a8 is among the best in alignment (demo) of the 2 candidates (no limits set), measured on host. "
        "base can't be told from it beyond the noise of 128 pictures; of these it is the fastest."
    )
    said = "as good in alignment (demo) as w8a8 within the noise, but slower (100 ms against 40.0 ms)"
    assert reasons(ranking)["base"] == said


@pytest.mark.parametrize(("lead", "chosen"), [(0.0, "small"), (0.05, "large")])
def test_the_same_pictures_settle_what_the_intervals_of_the_means_dont(lead: float, chosen: str):
    pictures = [0.1 * (i % 10) for i in range(40)]
    noisy = [value + lead + 0.01 * (-1) ** i for i, value in enumerate(pictures)]
    scores: dict[str, Any] = {}
    profiles: dict[tuple[str, str], dict[str, Any]] = {}
    for name, values, ms in (("base", [0.0] * 40, 200.0), ("large", noisy, 100.0), ("small", pictures, 40.0)):
        mean = sum(values) / len(values)
        value = {"value": mean, "low": mean - 0.2, "high": mean + 0.2, "n": 40, "by_picture": values}
        scores[name] = {"metrics": {"alignment": value}}
        profiles["host", name] = {"pipeline": {"latency_ms": {"median": ms}}, "size_bytes": ms}
    config = Rank.model_validate({"maximize": "alignment"})
    assert rank([CandidateData(n) for n in scores], scores, profiles, config).chosen == chosen


def test_a_simulated_candidate_wins_no_tie_by_its_speed():
    specs: dict[str, Spec] = {"base": (100, 10, 0.30), "w8a16": (10, 10, 0.301)}
    assert ranked(specs, interval=0.02).chosen == "w8a16"
    assert ranked(specs, interval=0.02, simulated=("w8a16",)).chosen == "w8a16", "it is the better one of equals"
    worse = {**specs, "w8a16": (10, 10, 0.299)}
    assert ranked(worse, interval=0.02, simulated=("w8a16",)).chosen == "base"


def test_ties_go_to_the_faster():
    ranking = ranked({"a": (50, 10, 0.3), "b": (40, 10, 0.3), "c": (60, 5, 0.3)})
    assert ranking.chosen == "b"
    assert (
        reasons(ranking)["c"]
        == "as good in alignment (demo) as b within the noise, but slower (60.0 ms against 40.0 ms)"
    )


def test_no_limits_are_told_apart_from_limits_kept():
    assert ranked(CHAIN).decision.startswith("base is the best in alignment (demo) of the 4 candidates (no limits set)")


@pytest.mark.parametrize(("aim", "chosen"), [("speed", "w8a8"), ("smallness", "w8a8")])
def test_speed_and_smallness_can_be_maximized(aim: str, chosen: str):
    ranking = ranked(CHAIN, maximize=aim, constraints={"alignment_drop": 0.1})
    assert (ranking.chosen, ranking.quality) == (chosen, "alignment")


def test_sizes_are_compared_in_megabytes_where_the_smallest_is_asked_for():
    said = reasons(ranked(CHAIN, maximize="smallness"))
    assert said["base"] == "within the limits, but larger than w8a8 (40.0 against 10.0 MB)"


def test_none_fits_names_the_nearest_constraint_and_what_would_do():
    ranking = ranked(CHAIN, constraints={"latency_ms": 36.4, "alignment_drop": 0.1})
    assert ranking.chosen is None and not ranking.table.chosen.any()
    assert ranking.nearest is not None and (ranking.nearest[0], ranking.nearest[1].key) == ("w8a8", "latency_ms")
    assert ranking.nearest[1].excess == pytest.approx(40 / 36.4 - 1)
    assert ranking.decision == (
        "No candidate is within all limits. latency_ms is nearest to being met, by w8a8: "
        "9.9 % slower than the limit (40.0 ms, limit 36.4). latency_ms: 40.0 instead of 36.4 would let it in."
    )


def test_nearest_is_judged_by_a_candidates_worst_miss():
    # a misses the latency by 1 % but the size by 100 %; b misses the latency by 20 % and nothing else
    ranking = ranked({"a": (101, 20, 0.3), "b": (120, 10, 0.3)}, constraints={"latency_ms": 100.0, "size_mb": 10.0})
    assert ranking.nearest is not None and ranking.nearest[0] == "b"


def test_two_missed_constraints_are_both_named():
    ranking = ranked({"a": (110, 12, 0.3)}, constraints={"latency_ms": 100.0, "size_mb": 10.0})
    assert ranking.decision.endswith("It also misses latency_ms.")


def test_alignment_drop_is_relative_to_the_first_candidate_and_inclusive():
    ranking = ranked({"base": (10, 10, 0.4), "b": (5, 5, 0.3)}, maximize="speed", constraints={"alignment_drop": 0.25})
    assert ranking.chosen == "b"


def test_loosened_limit_really_lets_it_in():
    ranking = ranked({"a": (36.47, 10, 0.3)}, constraints={"latency_ms": 30.0})
    assert "latency_ms: 36.5 instead of 30" in ranking.decision
    assert ranked({"a": (36.47, 10, 0.3)}, constraints={"latency_ms": 36.5}).chosen == "a"


def test_what_was_not_measured_chooses_nothing_and_is_said():
    ranking = ranked({"base": (10, 10, None), "b": (5, 5, None)}, maximize="alignment")
    assert ranking.chosen is None and len(ranking.table) == 2
    assert ranking.decision.startswith("rank.maximize: alignment was not measured")
    assert "needs a scorer" in ranking.decision
    limited = ranked({"base": (10, 10, None)}, maximize="speed", constraints={"alignment_drop": 0.1})
    assert limited.chosen is None and "rank.constraints.alignment_drop" in limited.decision


def test_without_any_scores_speed_still_ranks_by_latency_and_size():
    ranking = ranked({"base": (10, 10, None), "b": (5, 5, None)}, maximize="speed")
    assert (ranking.chosen, ranking.quality) == ("b", None)
    assert reasons(ranking)["base"] == "dominated by b: smaller and faster"


def test_the_reference_is_perfect_in_what_compares_with_it_but_does_not_win_by_that():
    profile = {"pipeline": {"latency_ms": {"median": 10.0}}, "size_bytes": 1e6}
    value = {"value": 20.0, "low": 19.0, "high": 21.0, "n": 8}
    scores: dict[str, Any] = {"base-4steps": {"metrics": {}}, "b": {"metrics": {"psnr_db": value}}}
    profiles = {
        ("host", "base-4steps"): profile,
        ("host", "b"): {**profile, "pipeline": {"latency_ms": {"median": 5.0}}},
    }
    config = Rank.model_validate({"maximize": "psnr_db", "constraints": {"psnr_db": 18.0}})
    ranking = rank([CandidateData("base-4steps"), CandidateData("b")], scores, profiles, config)
    assert ranking.chosen == "b"
    assert "can't win by that" in reasons(ranking)["base-4steps"]
    assert ranking.table.pareto.tolist() == [True, True]
    tight = Rank.model_validate({"maximize": "psnr_db", "constraints": {"psnr_db": 22.0}})
    alone = rank([CandidateData("base-4steps"), CandidateData("b")], scores, profiles, tight)
    assert alone.chosen == "base-4steps", "nothing else is within the limits"


def timed(medians: dict[str, float], parameters: dict[str, int], psnr: dict[str, float], aim: str = "speed") -> Ranking:
    """Candidates whose passes scatter by 2 %, each with its own layers where ``parameters`` differ."""
    profiles: dict[tuple[str, str], dict[str, Any]] = {}
    for name, ms in medians.items():
        samples = [ms * (0.98 + 0.04 * (i % 11) / 10) for i in range(33)]
        time = {"median": ms, "iqr": 0.02 * ms, "n": 33, "samples": samples, "p90": ms}
        unet = {"latency_ms": time, "params": parameters[name], "macs": parameters[name], "scheme": "fp32"}
        whole = {"latency_ms": {"median": ms, "p90": ms, "n": 33}}
        profiles["host", name] = {
            "candidate": name,
            "pipeline": whole,
            "components": {"unet": unet},
            "size_bytes": 4.0 * parameters[name] + 20 * (name == "distilled"),
            "peak_rss_bytes": 1.0,
        }
    found = {name: {"value": v, "low": v - 1, "high": v + 1, "n": 8} for name, v in psnr.items()}
    scores: dict[str, Any] = {name: {"metrics": {"psnr_db": found[name]} if name in found else {}} for name in medians}
    return rank([CandidateData(n) for n in medians], scores, profiles, Rank.model_validate({"maximize": aim}))


@pytest.mark.parametrize("aim", ["speed", "smallness"])
@pytest.mark.parametrize("clock", [9.0, 11.0, 20.0])
def test_the_clock_does_not_choose_between_candidates_of_the_same_layers(clock: float, aim: str):
    layers = {"base": 900, "cut": 300, "distilled": 300}
    ranking = timed({"base": 40.0, "cut": clock, "distilled": 10.0}, layers, {"cut": 8.0, "distilled": 20.0}, aim)
    assert ranking.chosen == "distilled"
    assert "cut can't be told from it" in ranking.decision and "the best in" in ranking.decision
    unsettled = timed({"base": 40.0, "cut": clock, "distilled": 10.0}, layers, {"cut": 19.5, "distilled": 20.0}, aim)
    assert unsettled.chosen == "distilled"


def test_of_candidates_as_fast_as_each_other_the_smaller_is_chosen_where_quality_is_not_settled():
    parameters, clock = {"base": 900, "large": 400, "small": 200}, {"base": 40.0, "large": 10.0, "small": 10.1}
    ranking = timed(clock, parameters, {"large": 20.5, "small": 20.0})
    assert ranking.chosen == "small" and "of these it is the smallest" in ranking.decision
    settled = timed(clock, parameters, {"large": 30.0, "small": 20.0})
    assert settled.chosen == "large"


def test_only_the_first_target_decides(run):
    ranking = rank(run.candidates, run.scores, run.profiles, run.recipe.rank)
    assert (ranking.target, ranking.chosen) == ("host", "w8a8")
    assert ranking.table.chosen.sum() == 1
    torch = ranking.table[ranking.table.target == "host-torch"]
    assert torch.candidate.tolist() == ["base", "bk_tiny", "distilled"]
    assert torch.reason.tolist()[0] == (
        "on the Pareto front, but distilled is smaller and faster, and the 95 % intervals of alignment (demo) overlap"
    )


def test_a_candidate_that_was_not_profiled_keeps_its_row(run):
    profiles = {key: profile for key, profile in run.profiles.items() if key != ("host", "w8a8")}
    ranking = rank(run.candidates, run.scores, profiles, run.recipe.rank)
    row = ranking.table[(ranking.table.candidate == "w8a8")].iloc[0]
    assert (row.reason, row.pareto, row.chosen) == ("not profiled on host", False, False)
    assert math.isnan(row.latency_ms)


def test_by_step_gives_the_change_against_the_candidate_before(run):
    steps = rank(run.candidates, run.scores, run.profiles, run.recipe.rank).by_step
    host = steps[steps.target == "host"].set_index("candidate")
    assert host.previous.to_dict() == {"bk_tiny": "base", "distilled": "bk_tiny", "w8a8": "distilled"}
    assert host.delta_size_bytes.to_dict() == {"bk_tiny": -14_600_000, "distilled": 0, "w8a8": -7_200_000}
    assert host.delta_latency_ms["w8a8"] == pytest.approx(109.6 - 157.4)
    assert host.share_alignment["bk_tiny"] == pytest.approx(0.141 / 0.312 - 1)
    assert host.quality_settled.to_dict() == {"bk_tiny": True, "distilled": True, "w8a8": False}


def test_csv_columns_come_in_the_promised_order(run):
    columns = list(rank(run.candidates, run.scores, run.profiles, run.recipe.rank).table.columns)
    assert columns[:4] == ["candidate", "target", "scheme", "latency_ms"]
    assert columns[-4:] == ["pareto", "chosen", "gain", "reason"]
    order = [
        columns.index(c)
        for c in ("latency_ms", "size_bytes", "peak_rss_bytes", "macs", "params", "alignment", "pareto")
    ]
    assert order == sorted(order)


def on_targets(
    latencies: dict[tuple[str, str], float], emulated: str = "", simulated: str = "", **settings: Any
) -> Ranking:
    """Ranks ``a`` (made from nothing), ``b`` and ``c`` (both made from ``a``) by speed; quality is equal."""
    profiles = {
        (target, name): {
            "pipeline": {"latency_ms": {"median": ms}},
            "size_bytes": 1e6,
            "emulated": target == emulated,
            "simulated": name in simulated,
        }
        for (target, name), ms in latencies.items()
    }
    made = [CandidateData("a"), CandidateData("b", parent="a"), CandidateData("c", parent="a")]
    return rank(made, {}, profiles, Rank.model_validate({"maximize": "speed", **settings}))


BOTH = {("host", "a"): 90.0, ("host", "b"): 80.0, ("host-openvino", "a"): 70.0, ("host-openvino", "c"): 30.0}


def test_the_first_target_decides_unless_the_recipe_names_others():
    alone = on_targets(BOTH)
    assert (alone.chosen, alone.target) == ("b", "host")
    both = on_targets(BOTH, targets=["host", "host-openvino"])
    assert (both.chosen, both.target) == ("c", "host-openvino")
    assert both.table[both.table.chosen].target.tolist() == ["host-openvino"]
    assert both.decision.endswith("measured on host-openvino.")


def test_an_emulated_target_decides_only_when_named():
    assert on_targets(BOTH, emulated="host").target == "host-openvino"
    named = on_targets(BOTH, emulated="host", targets=["host"])
    assert named.chosen is None and "the times of a and b are emulated" in named.decision
    assert on_targets(BOTH, emulated="host", targets=["host"], allow=["emulated"]).chosen == "b"


def test_simulated_times_do_not_win_by_speed_unless_the_recipe_allows_it():
    ranking = on_targets(BOTH, simulated="b")
    assert ranking.chosen == "a" and "rank.allow" not in ranking.decision
    assert reasons(ranking)["b"] == "its times are simulated, which can't win by speed"
    assert on_targets(BOTH, simulated="b", allow=["simulated"]).chosen == "b"
    alone = on_targets(BOTH, simulated="ab")
    assert alone.chosen is None and "rank.allow: [simulated] would let them win" in alone.decision


def test_a_simulated_candidate_may_be_the_smallest_or_the_best():
    assert on_targets(BOTH, simulated="ab", maximize="smallness").chosen is not None


def test_of_equals_the_one_of_the_fewest_steps_is_chosen():
    def profile(ms: float, layers: int) -> dict[str, Any]:
        unet = {"params": layers, "macs": layers, "latency_ms": {"median": ms, "iqr": 0.1, "n": 9}}
        return {"pipeline": {"latency_ms": {"median": ms}}, "size_bytes": 1e6, "components": {"unet": unet}}

    made = [CandidateData("base"), CandidateData("long", lineage=("a", "b")), CandidateData("short", lineage=("a",))]
    profiles = {
        ("host", "base"): profile(50.0, 9),
        ("host", "long"): profile(5.0, 3),
        ("host", "short"): profile(5.0, 3),
    }
    ranking = rank(made, {}, profiles, Rank.model_validate({"maximize": "speed"}))
    assert ranking.chosen == "short" and "of these it is made in the fewest steps" in ranking.decision


def test_a_target_that_nothing_was_measured_on_is_refused():
    with pytest.raises(InputError, match=r"rank.targets: nothing was measured on phone"):
        on_targets(BOTH, targets=["phone"])


def test_branches_are_compared_with_what_they_were_made_from():
    steps = on_targets(BOTH).by_step
    found = {(r["target"], r["candidate"]): r["delta_latency_ms"] for r in steps.to_dict("records")}
    assert found == {("host", "b"): -10.0, ("host-openvino", "c"): -40.0}


def test_a_limit_on_another_target_is_held_against_the_row_there():
    slow = {("host", "a"): 9.0, ("host", "b"): 5.0, ("adb:x", "a"): 20.0, ("adb:x", "b"): 50.0}
    ranking = on_targets(slow, constraints={"latency_ms@adb:x": 30.0})
    assert ranking.chosen == "a" and ranking.target == "host"
    said = {(r["candidate"], r["target"]): r["reason"] for r in ranking.table.to_dict("records")}
    assert said["b", "host"] == "67 % slower than the limit (50.0 ms, limit 30) on adb:x"
    nowhere = on_targets(slow, constraints={"latency_ms@adb:y": 30.0})
    assert nowhere.chosen is None


def test_only_latency_and_memory_may_be_limited_on_a_target():
    with pytest.raises(ValueError, match="pattern"):
        Rank.model_validate({"constraints": {"alignment_drop@host": 0.1}})
