"""What the page of a profile says in numbers: tiles, components, kinds of kernels, machine. Plain data, no HTML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from workbench.measure.clock import DRIFT_LIMIT, SPREAD_LIMIT
from workbench.measure.kinds import CONVERSION, MOVE
from workbench.measure.layers import OUTSIDE, UNMAPPED
from workbench.profile.read import ReadProfile
from workbench.report.format import MISSING, big, change, join, known, megabytes, milliseconds, number, percent, whole
from workbench.runtimes.base import kernels_of

HEAVY = 0.95
"""Share of the time that the layers have which are shown first."""


def labels(profiles: Sequence[ReadProfile]) -> list[str]:
    """A short name for each profile, all different: what they share is left out."""
    candidates = {p.summary["candidate"] for p in profiles}
    targets = {p.summary["target"] for p in profiles}
    if len(targets) == 1 and len(candidates) > 1:
        short = [p.summary["candidate"] for p in profiles]
    elif len(candidates) == 1 and len(targets) > 1:
        short = [p.summary["target"] for p in profiles]
    else:
        short = [p.label for p in profiles]
    counts: dict[str, int] = {}
    found = []
    for name in short:
        counts[name] = counts.get(name, 0) + 1
        found.append(name if short.count(name) == 1 else f"{name} #{counts[name]}")
    return found


def main_component(profiles: Sequence[ReadProfile]) -> str:
    """The component that takes the most time: of a whole picture where that is known, else of one pass."""
    first = profiles[0].summary
    parts = (first.get("pipeline") or {}).get("parts_ms") or {}
    times = {name: parts.get(name, c["latency_ms"]["median"]) for name, c in first["components"].items()}
    return max(times, key=lambda name: times[name])


def headline(profile: ReadProfile, component: str) -> tuple[str, Mapping[str, Any]]:
    """What the latency at the top is of, and its statistics."""
    pipeline = profile.summary.get("pipeline")
    if pipeline:
        steps, passes = pipeline.get("steps"), pipeline.get("guidance_passes")
        return f"one picture: {steps} steps × {passes} U-Net passes, text encoder, decoder", pipeline["latency_ms"]
    if component not in profile.summary["components"]:
        component = main_component([profile])
    return f"one pass of {component}", profile.summary["components"][component]["latency_ms"]


def doubts(latency: Mapping[str, Any]) -> list[str]:
    """Why a median is not to be trusted; empty when nothing speaks against it."""
    found = []
    if latency.get("median") and known(latency.get("iqr")) and latency["iqr"] / latency["median"] > SPREAD_LIMIT:
        found.append(f"noisy: IQR {percent(latency['iqr'] / latency['median'])} of the median")
    if known(latency.get("drift")) and abs(latency["drift"]) > DRIFT_LIMIT:
        found.append(f"drifted by {change(latency['drift'])} while it was measured")
    return found


def _imitated(summary: Mapping[str, Any]) -> list[str]:
    """What must stand beside times that were taken of an imitation."""
    said = {"simulated": "simulated: integers multiplied as floats", "emulated": "emulated: another machine's times"}
    return [text for kind, text in said.items() if summary.get(kind)]


def tiles(profile: ReadProfile, component: str) -> list[dict[str, Any]]:
    """The figures at the top: ``label, value, detail, kind`` and ``doubts``.

    ``kind``: measured, added up (of medians of several components), counted, estimated.
    """
    s = profile.summary
    if component not in s["components"]:
        component = main_component([profile])
    part = s["components"][component]
    what, latency = headline(profile, component)
    spread = latency["iqr"] / latency["median"] if latency.get("median") and known(latency.get("iqr")) else None
    drift = f", drift {change(latency['drift'])}" if known(latency.get("drift")) else ""
    uncounted = part.get("uncounted") or {}
    ratio = part.get("kernel_over_wall")
    own = s.get("runtime_rss_bytes")
    how = "added up" if s.get("pipeline") else "measured"
    return [
        _tile("median latency", milliseconds(latency["median"]), what, how, [*_imitated(s), *doubts(latency)]),
        _tile(
            "p90",
            milliseconds(latency.get("p90")),
            f"n = {whole(latency['n'])}, fastest {milliseconds(latency.get('min'))}",
            how,
        ),
        _tile("spread", percent(spread), f"IQR {milliseconds(latency.get('iqr'))} ÷ median{drift}", how),
        _tile(
            "kernel ÷ wall",
            number(ratio, 2) if known(ratio) else "not told",
            f"{component}: {milliseconds(part.get('kernel_ms'))} of {milliseconds(part.get('profiled_wall_ms'))}, "
            "profiling on",
            "measured",
        ),
        _tile(
            "kernel time on no layer",
            percent(part.get("unmapped_share")),
            f"{component}: the row {UNMAPPED}; n = {whole(part.get('profiled_passes'))} passes",
            "measured",
        ),
        _tile(
            "peak memory (RSS)",
            megabytes(s.get("peak_rss_bytes")),
            f"the runtime itself: {megabytes(own)}" if known(own) else s.get("peak_rss_reason") or "a run of its own",
            "measured",
        ),
        _tile("size of the files", megabytes(s.get("size_bytes")), f"{big(s.get('params'))} parameters", "measured"),
        _tile(
            "MACs, one pass of each",
            big(s.get("macs")),
            f"{big(s.get('macs_with_attention'))} with the products of attention",
            "counted",
            [f"not counted: {join([f'{count} × {op}' for op, count in uncounted.items()])}"] if uncounted else [],
        ),
        _tile(
            "values alive, most at once",
            megabytes(part.get("live_peak_bytes")),
            f"{component}, at {part['live_peak_at']}" if part.get("live_peak_at") else f"{component}: not told",
            "estimated",
        ),
    ]


def _tile(label: str, value: str, detail: str, kind: str, against: Sequence[str] = ()) -> dict[str, Any]:
    return {"label": label, "value": value, "detail": detail, "kind": kind, "doubts": list(against)}


def lead(profiles: Sequence[ReadProfile], names: Sequence[str], component: str) -> str:
    """One or two sentences: how long, and how much of it a few layers take."""
    times = {
        name: p.summary["components"][component]["latency_ms"]
        for name, p in zip(names, profiles, strict=True)
        if component in p.summary["components"]
    }
    if len(profiles) > 1:
        told = [f"{name} {milliseconds(time['median'])}" for name, time in times.items()]
        return f"One pass of {component}: {join(told)} (medians)."
    table = profiles[0].table
    rows = table[(table["component"] == component) & ~table["layer"].isin((UNMAPPED, OUTSIDE))]
    rows = rows.sort_values("latency_ms", ascending=False, kind="stable")
    total = rows["latency_ms"].sum()
    if rows.empty or not total:
        return f"One pass of {component} takes {milliseconds(times[names[0]]['median'])}."
    few = int((rows["latency_ms"].cumsum() < HEAVY * total).sum()) + 1
    slowest = rows.iloc[0]
    return (
        f"One pass of {component} takes {milliseconds(times[names[0]]['median'])}. {few} of its {len(rows)} layers "
        f"make up {percent(HEAVY)} of the layers' time; the slowest is {slowest['layer']} with "
        f"{percent(slowest['latency_ms'] / total)} of it."
    )


def components(profiles: Sequence[ReadProfile], names: Sequence[str]) -> list[dict[str, Any]]:
    """Rows of the table of components, each profile's together."""
    rows = []
    for label, profile in zip(names, profiles, strict=True):
        for name, c in profile.summary["components"].items():
            time = c["latency_ms"]
            int8 = c.get("quantized_macs_share")
            rows.append(
                {
                    "profile": label,
                    "component": name,
                    "scheme": c.get("scheme") or MISSING,
                    "median": number(time["median"]),
                    "more": f"{number(time.get('p90'))} · {number(time.get('iqr'))} · {whole(time['n'])}",
                    "doubts": doubts(time),
                    "samples": time.get("samples") or [],
                    "load": " · ".join(number(c.get(f"{key}_ms")) for key in ("load_cold", "load_warm", "first_call")),
                    "size": megabytes(c.get("size_bytes")),
                    "params": big(c.get("params")),
                    "macs": big(c.get("macs")),
                    "attention": big(c.get("macs_with_attention")),
                    "int8": percent(int8) if known(int8) else MISSING,
                    "ratio": number(c.get("kernel_over_wall"), 2),
                    "unmapped": percent(c.get("unmapped_share")),
                    "uncounted": join([f"{count} × {op}" for op, count in (c.get("uncounted") or {}).items()]),
                    "shared": c.get("shared_with"),
                }
            )
    return rows


def operators(profiles: Sequence[ReadProfile], component: str, least: float = 0.01) -> dict[str, Any]:
    """Kernel time by kind of operator: rows with one time per profile, those below ``least`` of all time as one row.

    ``rows``: ``op, kind, cells [{ms, share, p}]``; per profile ``total``, and ``moved``: the share of kernels that
    compute nothing (conversions of precision, moves).
    """
    times = [dict((p.summary["components"].get(component) or {}).get("op_ms") or {}) for p in profiles]
    totals = [sum(t.values()) for t in times]
    if not any(totals):
        return {"rows": [], "total": []}
    share = {
        op: max(t.get(op, 0.0) / total for t, total in zip(times, totals, strict=True) if total)
        for op in dict.fromkeys(op for t in times for op in t)
    }
    shown = sorted((op for op in share if share[op] >= least), key=lambda op: -share[op])
    rest = [op for op in share if share[op] < least]
    most = max(t.get(op, 0.0) for t in times for op in shown) or 1.0

    def cells(ops: Sequence[str]) -> list[dict[str, Any]]:
        sums = [sum(t.get(op, 0.0) for op in ops) for t in times]
        return [
            {"ms": number(ms) if ms else MISSING, "share": percent(ms / total) if ms else "", "p": ms / most}
            for ms, total in zip(sums, totals, strict=True)
        ]

    names = [kernels_of(p.summary.get("runtime")) for p in profiles]
    kinds = {op: own.kind(op) for t, own in zip(times[::-1], names[::-1], strict=True) for op in t}
    rows = [{"op": op, "kind": kinds[op], "cells": cells([op])} for op in shown]
    if rest:
        rows.append({"op": f"{len(rest)} others", "kind": "", "cells": cells(rest)})
    moved = [
        sum(ms for op, ms in t.items() if own.kind(op) in (CONVERSION, MOVE))
        for t, own in zip(times, names, strict=True)
    ]
    return {
        "rows": rows,
        "total": [milliseconds(total) for total in totals],
        "moved": [percent(m / total) if total else MISSING for m, total in zip(moved, totals, strict=True)],
    }


def transitions(profiles: Sequence[ReadProfile], names: Sequence[str]) -> list[dict[str, Any]]:
    """Kernels that change precision: ``profile, component, before, after, count, ms`` per pass."""
    return [
        {"profile": label, "component": name, "before": t["before"], "after": t["after"]}
        | {"count": whole(t["count"]), "ms": number(t["ms"])}
        for label, profile in zip(names, profiles, strict=True)
        for name, c in profile.summary["components"].items()
        for t in c.get("transitions") or ()
    ]
