"""Candidates measured on this machine: the files, the budget of the pipeline, what is shared is measured once."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from workbench.devices.measure import measure_memory, measure_network
from workbench.limits import LIBRARIES, at_most
from workbench.measure.layers import COLUMNS
from workbench.measure.network import network_of
from workbench.measure.record import from_json, to_json
from workbench.profile.counts import count_networks
from workbench.profile.doubts import doubts
from workbench.profile.host import Settings, measure_host
from workbench.profile.write import Budget, write_profile
from workbench.progress import quiet
from workbench.report.sections.budget.sums import table
from workbench.runtimes.base import RUNTIMES, run_by
from workbench.store.depends import closure
from workbench.store.store import Store


@pytest.fixture(scope="module")
def profiled(records, tmp_path_factory):
    out = tmp_path_factory.mktemp("profiles")
    found: dict[str, dict[str, Any]] = {}
    for record in records:
        summary = write_profile(out, record, Budget(10, 3.0), doubts(record), ["quantize"])
        found.setdefault(record.target, {})[record.candidate] = summary
    return out, found, records


def test_onnx_candidates_are_not_measured_on_pytorch(profiled):
    _, found, _ = profiled
    assert {target: set(c) for target, c in found.items()} == {"host": {"base", "w8a8"}, "host-torch": {"base"}}


def test_files_hold_what_was_returned(profiled):
    out, found, _ = profiled
    for target, candidates in found.items():
        for name, summary in candidates.items():
            assert json.loads((out / f"{name}@{target}.json").read_text()) == summary
            with (out / f"{name}@{target}.csv").open(newline="") as file:
                rows = list(csv.DictReader(file))
            assert list(rows[0]) == list(COLUMNS)
            for component in ("text_encoder", "unet", "vae_decoder"):
                own = [r for r in rows if r["component"] == component]
                assert {"(unmapped)", "(runtime)"} <= {r["layer"] for r in own}
                assert sum(float(r["share"]) for r in own) == pytest.approx(1, abs=1e-3)
                assert sum(int(r["params"] or 0) for r in own) == summary["components"][component]["params"]
                assert sum(int(r["macs"] or 0) for r in own) == summary["components"][component]["macs"]


def test_a_record_read_back_is_equal_and_gives_the_same_files(profiled, tmp_path):
    out, _, records = profiled
    for record in records:
        again = from_json(to_json(record))
        assert again == record
        write_profile(tmp_path, again, Budget(10, 3.0), doubts(again), ["quantize"])
    written = sorted(tmp_path.iterdir())
    assert len(written) == 3 * len(records)
    assert all(file.read_bytes() == (out / file.name).read_bytes() for file in written)


def test_a_record_of_another_version_is_refused(profiled):
    with pytest.raises(ValueError, match="version 0"):
        from_json(to_json(replace(profiled[2][0], version=0)))


def test_what_measures_reaches_nothing_that_writes_or_shows():
    """Else a change there would measure everything again."""
    measuring = closure(measure_host, count_networks, *map(run_by, RUNTIMES)) + closure(measure_network, measure_memory)
    shown = ("write", "roofline", "rollup", "doubts", "read", "join", "summary", "views")
    later = (*(f"workbench.profile.{name}" for name in shown), "workbench.report", "workbench.measure.kinds")
    assert [name for name in measuring if name.startswith(later) or name.endswith(".descriptor")] == [
        "workbench.runtimes.descriptor"
    ]


def test_the_budget_is_the_formula_it_states(profiled):
    for summary in (s for candidates in profiled[1].values() for s in candidates.values()):
        medians = {name: c["latency_ms"]["median"] for name, c in summary["components"].items()}
        expected = 2 * medians["text_encoder"] + 10 * 2 * medians["unet"] + medians["vae_decoder"]
        assert summary["pipeline"]["latency_ms"]["median"] == pytest.approx(expected)
        assert sum(summary["pipeline"]["parts_ms"].values()) == pytest.approx(expected)
        assert summary["seed"] == 7 and summary["threads"] == 1


def test_the_reports_budget_of_real_profiles_adds_up(profiled):
    profiles = {(target, name): p for target, found in profiled[1].items() for name, p in found.items()}
    candidates = [SimpleNamespace(name=name) for name in ("base", "w8a8")]
    found = table(SimpleNamespace(candidates=candidates, profiles=profiles, targets=["host", "host-torch"])).rows
    assert [(r.target, r.candidate) for r in found] == [("host", "base"), ("host", "w8a8"), ("host-torch", "base")]
    for row in found:
        whole = profiles[row.target, row.candidate]["pipeline"]
        unet = row.parts[1]
        assert row.note == "" and unet.startswith("10 × 2 × ")
        for shown, ms in (
            (row.total, whole["latency_ms"]["median"]),
            (unet.split(" = ")[1], whole["parts_ms"]["unet"]),
        ):
            assert float(shown.replace(",", "")) == pytest.approx(ms, rel=0.01)


def test_a_component_of_two_candidates_is_measured_once_and_said_so(profiled):
    host = profiled[1]["host"]
    ours, theirs = (host[name]["components"]["vae_decoder"] for name in ("w8a8", "base"))
    assert ours["latency_ms"]["samples"] == theirs["latency_ms"]["samples"]
    assert ours["shared_with"] == "base.vae_decoder" and theirs["shared_with"] is None


def test_quantizing_keeps_parameters_and_macs_and_shrinks_files(profiled):
    base, int8 = (profiled[1]["host"][name] for name in ("base", "w8a8"))
    for what in ("params", "macs", "macs_with_attention"):
        assert int8[what] == base[what] == sum(c[what] for c in base["components"].values())
    assert int8["size_bytes"] < 0.5 * base["size_bytes"]
    assert int8["peak_rss_bytes"] < base["peak_rss_bytes"] < profiled[1]["host-torch"]["base"]["peak_rss_bytes"]
    assert int8["components"]["unet"]["quantized_macs_share"] == 1.0
    assert base["components"]["unet"]["quantized_macs_share"] == 0.0


def test_kernels_are_nearly_all_on_layers_and_times_are_told_apart(profiled):
    for summary in profiled[1]["host"].values():
        for component in summary["components"].values():
            assert component["unmapped_share"] <= 0.02
            assert 0 < component["kernel_over_wall"] <= 1
            assert component["load_cold_ms"] > 0 and component["load_warm_ms"] > 0 and component["first_call_ms"] > 0


def test_networks_that_dont_fit_together_are_loaded_by_turns_and_that_is_said(
    demo_candidate, exported, quantized_unet, tmp_path
):
    files = {"base": exported["unet"], "w8a8": quantized_unet}
    networks = [network_of(replace(demo_candidate, name=name), "unet", file, 7) for name, file in files.items()]
    settings = Settings(("onnxruntime",), threads=1, iterations=3, min_seconds=0.0, warmup=1)
    with at_most(LIBRARIES + 1):
        made = measure_host(networks, count_networks(networks), settings, 7, Store(tmp_path), quiet)
    for record in made:
        stats = record.components["unet"].timed.stats
        assert (record.apart, stats.n, stats.warmup) == (("unet",), 3, 1)
        assert any("loaded anew for every pass" in doubt for doubt in doubts(record))
