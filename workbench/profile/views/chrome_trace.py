"""One pass on a time line: Chrome trace-event JSON, which ui.perfetto.dev, speedscope and chrome://tracing open.

Format: "Trace Event Format" (the JSON object format; complete events ``X``, metadata ``M``; times in µs), as
https://perfetto.dev/docs/faq and Chromium's trace-viewer document it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.runtimes.base import RUNTIMES, described
from workbench.store.files import write_atomic

ROUNDING_US = 0.2
"""Events are stored in tenths of a µs: an overlap of that size is rounding, a larger one is real."""
_PROCESS = 1


@dataclass(frozen=True)
class _Kernel:
    name: str
    layer: str
    op: str
    start: float
    end: float

    @property
    def path(self) -> tuple[str, ...]:
        return module_path(self.layer)


def write_trace(summary: Mapping[str, Any], path: Path) -> list[Path]:
    """Writes the kernels of one pass of each component; the files written, none where the profile holds no kernels.

    One process per candidate and target, in it one thread per component. Modules are slices that hold their parts'
    slices, kernels the innermost. Components begin at 0, each at the start of its own pass: they were measured apart.

    Args:
        summary: of a profile (``read.ReadProfile.summary``).
        path: the file to write, ``….json``.
    """
    events = trace_events(summary)
    if not any(event["ph"] == "X" for event in events):
        return []
    about = {
        "made_by": "workbench",
        "candidate": summary["candidate"],
        "target": summary["target"],
        "what": "kernels of one pass per component with the runtime's profiling on, the pass of median time",
    }
    if summary.get("runtime") in RUNTIMES:
        about |= described(summary["runtime"]).trace
    trace = {"traceEvents": events, "displayTimeUnit": "ms", "otherData": about}
    write_atomic(path, json.dumps(trace, separators=(",", ":")))
    return [path]


def trace_events(summary: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The trace events of one profile; a slice comes before those inside it."""
    label = f"{summary['candidate']}@{summary['target']}"
    facts = [summary.get("runtime"), summary.get("scheme")]
    facts += [f"{summary['threads']} threads"] if summary.get("threads") else []
    events = [
        _metadata("process_name", 0, name=label),
        _metadata("process_labels", 0, labels=", ".join(str(fact) for fact in facts if fact)),
    ]
    thread = 0
    for component, measured in summary["components"].items():
        for lane, kernels in enumerate(_lanes(measured.get("events") or ())):
            thread += 1
            name = f"{component}, one pass" + (f" (at the same time: {lane + 1})" if lane else "")
            events.append(_metadata("thread_name", thread, name=name))
            events.append(_metadata("thread_sort_index", thread, sort_index=thread))
            for slice_ in _slices(kernels, component):
                events.append({"ph": "X", "pid": _PROCESS, "tid": thread} | slice_)
    return events


def module_path(layer: str) -> tuple[str, ...]:
    """The levels of a module path, an index with the list that it counts: ``a.0.b`` gives ``("a.0", "b")``."""
    if "(" in layer:  # (unmapped), (root), and nodes without a name: Conv(the.output)
        return (layer,)
    levels: list[str] = []
    for part in layer.split("."):
        if part.isdigit() and levels:
            levels[-1] += f".{part}"
        else:
            levels.append(part)
    return tuple(levels)


def _metadata(kind: str, thread: int, **values: Any) -> dict[str, Any]:
    # Some readers want a category on every event; this is the one that Chrome itself writes.
    return {"ph": "M", "cat": "__metadata", "name": kind, "pid": _PROCESS, "tid": thread, "ts": 0, "args": values}


def _lanes(events: Sequence[Sequence[Any]]) -> list[list[_Kernel]]:
    """Kernels by begin, those that run at the same time in lanes of their own: slices of a thread may only nest."""
    lanes: list[list[_Kernel]] = []
    for name, layer, op, start, duration in sorted(events, key=lambda event: event[3]):
        end = start + duration
        for lane in lanes:
            free = lane[-1].end
            if start >= free - ROUNDING_US:
                lane.append(_Kernel(name, layer, op, max(start, free), max(end, start, free)))
                break
        else:
            lanes.append([_Kernel(name, layer, op, start, end)])
    return lanes


def _slices(kernels: Sequence[_Kernel], component: str) -> Iterator[dict[str, Any]]:
    """Nested slices of one lane: the component, its modules as long as they keep running, kernels."""
    yield _module(component, component, kernels)
    yield from _nested(kernels, 0)


def _nested(kernels: Sequence[_Kernel], level: int) -> Iterator[dict[str, Any]]:
    begin = 0
    while begin < len(kernels):
        first = kernels[begin]
        if level == len(first.path):
            yield {
                "name": first.op or first.name,
                "cat": "kernel",
                "ts": round(first.start, 1),
                "dur": round(first.end - first.start, 1),
                "args": {"kernel": first.name, "layer": first.layer},
            }
            begin += 1
            continue
        end = begin + 1
        # The same module again after another one ran is a slice of its own.
        while end < len(kernels) and kernels[end].path[: level + 1] == first.path[: level + 1]:
            end += 1
        run = kernels[begin:end]
        yield _module(first.path[level], ".".join(first.path[: level + 1]), run)
        yield from _nested(run, level + 1)
        begin = end


def _module(name: str, module: str, run: Sequence[_Kernel]) -> dict[str, Any]:
    spent = sum(kernel.end - kernel.start for kernel in run)
    return {
        "name": name,
        "cat": "module",
        "ts": round(run[0].start, 1),
        "dur": round(run[-1].end - run[0].start, 1),
        "args": {"module": module, "kernels": len(run), "kernel_us": round(spent, 1)},
    }
