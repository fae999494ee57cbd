"""The trace of one pass: what viewers rely on (slices of a thread only nest), and that it shows what ran, where."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from workbench.profile.read import ReadProfile
from workbench.profile.views.chrome_trace import module_path, trace_events, write_trace


@pytest.fixture(scope="module")
def trace(stored: ReadProfile, tmp_path_factory) -> dict[str, Any]:
    path = tmp_path_factory.mktemp("trace") / "base@host.trace.json"
    assert write_trace(stored.summary, path) == [path]
    return json.loads(path.read_text())


def made_up(*events: list[Any]) -> dict[str, Any]:
    return {"candidate": "a", "target": "b", "components": {"unet": {"events": list(events)}}}


def slices(events: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return [event for event in events if event["ph"] == "X"]


def stacks(events: Iterable[dict[str, Any]]) -> list[tuple[list[str], dict[str, Any]]]:
    """Every slice with the names of those that it lies in, as a viewer stacks them; fails where two overlap."""
    found, open_slices = [], {}
    for event in slices(events):
        stack = open_slices.setdefault((event["pid"], event["tid"]), [])
        # Rounding of sums of tenths of a µs is no overlap.
        while stack and event["ts"] >= stack[-1]["ts"] + stack[-1]["dur"] - 1e-6 and event["dur"] > 0:
            stack.pop()
        while stack and event["ts"] > stack[-1]["ts"] + stack[-1]["dur"]:
            stack.pop()
        if stack:
            assert event["ts"] >= stack[-1]["ts"], "slices of a thread must come in the order of their begin"
            assert event["ts"] + event["dur"] <= stack[-1]["ts"] + stack[-1]["dur"] + 1e-6, "slices overlap"
        stack.append(event)
        found.append(([s["name"] for s in stack[:-1]], event))
    return found


def test_every_event_has_what_the_format_asks_for(trace):
    assert set(trace) == {"traceEvents", "displayTimeUnit", "otherData"}
    for event in trace["traceEvents"]:
        assert event["ph"] in ("X", "M") and event["cat"] and isinstance(event["name"], str)
        assert all(isinstance(event[key], int) for key in ("pid", "tid"))
        assert event["ts"] >= 0 and (event["ph"] == "M" or event["dur"] >= 0)


def test_a_trace_library_that_is_not_ours_reads_it(trace):
    chrometrace = pytest.importorskip("chrometrace")
    read = [chrometrace.TraceEvent.from_dict(event) for event in trace["traceEvents"]]
    kinds = Counter(event.event_type for event in read)
    assert kinds[chrometrace.TraceEventType.COMPLETE] == len(slices(trace["traceEvents"])) > 100
    assert [event.to_dict()["dur"] for event in read if event.event_type == "X"] == [
        event["dur"] for event in slices(trace["traceEvents"])
    ]


def test_every_kernel_lies_in_the_modules_of_its_layer(stored, trace):
    names = {e["tid"]: e["args"]["name"] for e in trace["traceEvents"] if e["name"] == "thread_name"}
    assert list(names.values()) == ["text_encoder, one pass", "vae_decoder, one pass"]
    kernels = Counter()
    for above, event in stacks(trace["traceEvents"]):
        if event["cat"] == "kernel":
            assert ".".join(above[1:]) == event["args"]["layer"]
            kernels[above[0]] += 1
    assert kernels == {name: len(c["events"]) for name, c in stored.summary["components"].items()}


def test_modules_know_the_time_of_their_kernels(stored, trace):
    for above, event in stacks(trace["traceEvents"]):
        if not above:
            spent = sum(e[4] for e in stored.summary["components"][event["name"]]["events"])
            assert event["args"]["kernel_us"] == pytest.approx(spent, abs=0.2) and event["dur"] >= spent - 0.2


def test_a_module_that_runs_again_is_a_slice_of_its_own():
    found = slices(
        trace_events(
            made_up(
                ["k1", "blocks.0.conv", "Conv", 10, 5],
                ["k2", "blocks.0.norm", "Norm", 15, 2],
                ["k3", "act", "Mul", 20, 1],
                ["k4", "blocks.0.conv", "Add", 30, 4.5],
            )
        )
    )
    assert [(e["name"], e["ts"], e["dur"]) for e in found] == [
        ("unet", 10, 24.5), ("blocks.0", 10, 7), ("conv", 10, 5), ("Conv", 10, 5), ("norm", 15, 2), ("Norm", 15, 2),
        ("act", 20, 1), ("Mul", 20, 1), ("blocks.0", 30, 4.5), ("conv", 30, 4.5), ("Add", 30, 4.5),
    ]  # fmt: skip


def test_kernels_that_overlap_get_a_thread_each_and_rounding_does_not():
    events = trace_events(made_up(["a", "x", "A", 0, 10], ["b", "y", "B", 4, 3], ["c", "x", "C", 9.9, 5]))
    threads = {e["args"]["kernel"]: e["tid"] for e in slices(events) if e["cat"] == "kernel"}
    assert threads == {"a": 1, "b": 2, "c": 1}
    assert stacks(events)
    assert [e["args"]["name"] for e in events if e["name"] == "thread_name"] == [
        "unet, one pass", "unet, one pass (at the same time: 2)",
    ]  # fmt: skip


def test_kernels_too_short_for_the_clock_stay_in_their_layer():
    events = trace_events(made_up(["a", "x.p", "A", 3, 0], ["b", "x.q", "B", 3, 0], ["c", "x.q", "C", 3, 2]))
    assert {event["args"]["kernel"]: above for above, event in stacks(events) if event["cat"] == "kernel"} == {
        "a": ["unet", "x", "p"], "b": ["unet", "x", "q"], "c": ["unet", "x", "q"],
    }  # fmt: skip


def test_without_kernels_nothing_is_written(tmp_path: Path):
    assert write_trace(made_up(), tmp_path / "t.json") == []
    assert list(tmp_path.iterdir()) == []


def test_levels_of_a_module_path():
    assert module_path("down_blocks.0.attentions.1.to_out.0") == ("down_blocks.0", "attentions.1", "to_out.0")
    assert module_path("0.1.conv") == ("0.1", "conv")
    assert module_path("(unmapped)") == ("(unmapped)",) and module_path("Conv(onnx.7)") == ("Conv(onnx.7)",)
