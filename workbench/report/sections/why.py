"""The section "Why it is as fast as it is": each candidate against what it was made from, ready to be shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from workbench.comparing.explain import Change, Side, Why, Work, explain
from workbench.measure.kinds import KINDS
from workbench.profile.roofline import ESTIMATE, roofline, summary
from workbench.report.data import RunData
from workbench.report.figures.roofline import Panel, roofline_figure
from workbench.report.format import COMPONENTS, MISSING, change, milliseconds, number, percent, whole
from workbench.report.ranking.rank import Ranking
from workbench.report.sections.why_prose import sentences

if TYPE_CHECKING:
    import pandas as pd

FULL_PRECISION = "fp32"
FOLDED = 6
"""Entries beyond which only that of the choice is open."""
MOST = 12
"""Slower layers that are shown; the page says how many more there are."""


def parent_of(run: RunData, candidate: str) -> str | None:
    """What a candidate is explained against: what it was made from; a quantized one, its nearest ancestor in float."""
    by_name = {c.name: c for c in run.candidates}
    name = by_name[candidate].parent
    while by_name[candidate].scheme != FULL_PRECISION and name in by_name and by_name[name].scheme != FULL_PRECISION:
        name = by_name[name].parent
    return name if name in by_name else None


def gather(run: RunData, ranking: Ranking) -> list[dict[str, Any]]:
    """One entry per candidate and target that was profiled with its parent, those of the choice's target first.

    ``{candidate, target, parent, quantized, opened, components: [{name, sentences, kinds, beneath, note, formats,
    slower, more, faster, parts}]}``; candidates that share every component with their parent are left out.
    """
    found = []
    for target in sorted(run.targets, key=lambda t: t != ranking.target):
        for candidate in run.candidates:
            parent = parent_of(run, candidate.name)
            after = run.profiles.get((target, candidate.name))
            before = run.profiles.get((target, parent or ""))
            if parent is None or before is None or after is None:
                continue
            whys = explain(before, after, run.layer_table(target, parent), run.layer_table(target, candidate.name))
            quantized = candidate.scheme != FULL_PRECISION
            if whys:
                found.append(
                    {
                        "candidate": candidate.name,
                        "target": target,
                        "parent": parent,
                        "quantized": quantized,
                        "opened": quantized or target == ranking.target,
                        "components": [_component(why, quantized) for why in whys],
                    }
                )
    if len(found) > FOLDED:
        subject = ranking.chosen or (ranking.nearest[0] if ranking.nearest else None)
        for entry in found:
            entry["opened"] = (entry["candidate"], entry["target"]) == (subject, ranking.target)
    return found


def _component(why: Why, quantized: bool) -> dict[str, Any]:
    return {
        "name": COMPONENTS.get(why.component, why.component),
        "sentences": sentences(why),
        "kinds": _kinds(why),
        "beneath": _beneath(why),
        "note": _note(why),
        "formats": _formats(why.transitions),
        "slower": [_change(c) for c in why.slower[:MOST]] if quantized else [],
        "more": max(0, len(why.slower) - MOST) if quantized else 0,
        "faster": len(why.faster),
        "parts": [] if why.same_layers else _parts(why),
    }


def _kinds(why: Why) -> list[dict[str, Any]]:
    """Rows: kind, and for both sides ms as profiled, net ms (estimated), kernels; kinds that neither has left out."""
    rows = []
    for kind in KINDS:
        works = [side.work[kind] for side in (why.before, why.after)]
        if any(work.ms for work in works):
            rows.append({"kind": kind, "cells": [_cell(w, bool(why.after.profiler_us)) for w in works]})
    sums = [_cell(_total(side), bool(why.after.profiler_us)) for side in (why.before, why.after)]
    return [*rows, {"kind": "all kernels", "cells": sums}] if rows else []


def _total(side: Side) -> Work:
    kernels = [work.kernels for work in side.work.values()]
    count = sum(n for n in kernels if n is not None) if side.net else None
    return Work(sum(work.ms for work in side.work.values()), count, side.best() if side.net else None)


def _cell(work: Work, shows_net: bool) -> dict[str, str]:
    """Time as profiled, and beneath it what is left without the profiler's own where that takes any, and kernels."""
    if not work.ms:
        return {"ms": MISSING, "beneath": ""}
    beneath = [number(work.net_ms)] if shows_net and work.net_ms is not None else []
    beneath += [whole(work.kernels)] if work.kernels is not None else []
    return {"ms": number(work.ms), "beneath": " · ".join(beneath)}


def _beneath(why: Why) -> str:
    """What the small figures of the table of kinds are."""
    if why.after.profiler_us is None:
        return ""
    return "net, estimated · kernels" if why.after.profiler_us else "kernels"


def _note(why: Why) -> str:
    """What must be known to read the kernel times."""
    cost = why.after.profiler_us
    if cost is None:
        return "This profile doesn't tell single kernels, so the profiler's own time is still in these figures."
    if not cost:
        return ""
    return (
        f"The runtime's profiler adds about {number(cost, 2)} µs to each kernel (estimated from kernels that do "
        "nothing, such as Reshape); net: without that."
    )


def _formats(transitions: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """The matrix of conversions: a row per format that is turned into others."""
    if not transitions:
        return None
    sums: dict[tuple[str, str], list[float]] = {}
    for entry in transitions:
        cell = sums.setdefault((str(entry["before"]), str(entry["after"])), [0, 0.0])
        cell[0] += entry["count"]
        cell[1] += entry["ms"]
    rows, columns = (list(dict.fromkeys(key[i] for key in sums)) for i in (0, 1))
    cells = [[_conversion(sums.get((before, after))) for after in columns] for before in rows]
    return {"columns": columns, "rows": list(zip(rows, cells, strict=True))}


def _conversion(cell: Sequence[float] | None) -> dict[str, str]:
    return {"ms": milliseconds(cell[1]), "count": whole(cell[0])} if cell else {"ms": MISSING, "count": ""}


def _change(c: Change) -> dict[str, Any]:
    op = c.before_op if c.before_op == c.after_op else f"{c.before_op} → {c.after_op}"
    return {
        "layer": c.layer,
        "fused": len(c.fused),
        "op": op,
        "scheme": c.scheme,
        "before": f"{c.before_ms:.3f}",
        "before_iqr": f"{c.before_iqr_ms:.3f}",
        "after": f"{c.after_ms:.3f}",
        "after_iqr": f"{c.after_iqr_ms:.3f}",
        "ratio": f"{number(c.ratio, 2)}×" if c.ratio else MISSING,
    }


def _parts(why: Why) -> list[dict[str, str]]:
    """Rows of the roll-up: part of the module tree, kernel ms and MACs before and after."""
    return [
        {
            "name": b.name,
            "before": number(b.before_ms),
            "after": number(b.after_ms),
            "moved": change(b.after_ms / b.before_ms - 1) if b.before_ms else MISSING,
            "macs": change(b.after_macs / b.before_macs - 1) if b.before_macs else MISSING,
        }
        for b in why.blocks
        if b.before_ms or b.after_ms
    ]


def machine(run: RunData, ranking: Ranking, subject: str) -> dict[str, Any] | None:
    """The machine's ceilings, and the subject's layers (and its parent's) under them; None where none were measured.

    ``{figure, ceilings: [(name, text)], shares: [{candidate, component, measured, bound, share, by_bound}], estimate,
    warnings, target, component}``
    """
    parent = parent_of(run, subject)
    panels, shares, found = [], [], None
    for name in (parent, subject):
        profile = run.profiles.get((ranking.target, name or "")) or {}
        table = run.layer_table(ranking.target, name) if name else None
        if not profile.get("ceilings") or table is None or table.empty:
            continue
        found = profile["ceilings"]
        lines = roofline(table, found)
        component = _largest(profile)
        panels.append(Panel(str(name), component, table, lines))
        shares += _shares(str(name), table, lines)
    if found is None:
        return None
    return {
        "figure": roofline_figure(panels, found),
        "ceilings": _ceilings(found),
        "shares": shares,
        "estimate": ESTIMATE,
        "warnings": found.get("warnings", []),
        "target": ranking.target,
        "component": COMPONENTS.get(panels[-1].component, panels[-1].component),
    }


def _largest(profile: Mapping[str, Any]) -> str:
    """The component that the picture spends most time in."""
    parts = (profile.get("pipeline") or {}).get("parts_ms") or {}
    if not parts:
        components = profile.get("components") or {}
        parts = {name: (c.get("latency_ms") or {}).get("median") or 0.0 for name, c in components.items()}
    return str(max(parts, key=lambda name: parts[name], default="unet"))


def _ceilings(found: Mapping[str, Any]) -> list[tuple[str, str]]:
    said = []
    for key, name in (("fp32", "float products"), ("int8", "int8 products")):
        if found.get(key):
            said.append((name, _reached(found[key])))
        elif found.get("refused", {}).get(key):
            said.append((name, f"none: {found['refused'][key]}"))
    for name, entry in (("memory, from a cache", _quickest(found)), ("memory, at most at once", found["memory"][-1])):
        said.append((name, f"{_reached(entry)}, {number(entry['bytes'] / 1e6, 2)} MB by one operator"))
    return said


def _quickest(found: Mapping[str, Any]) -> Mapping[str, Any]:
    return max(found["memory"], key=lambda entry: entry["best"])


def _reached(entry: Mapping[str, Any]) -> str:
    return (
        f"{number(entry['best'])} {entry['unit']} (best of n = {entry['n']}; median {number(entry['median'])}, "
        f"IQR {number(entry['iqr'])}; {entry['of']})"
    )


def _shares(name: str, table: pd.DataFrame, lines: pd.DataFrame) -> list[dict[str, str]]:
    return [
        {
            "candidate": name,
            "component": COMPONENTS.get(component, component),
            "measured": number(one["measured_ms"]),
            "bound": number(one["bound_ms"]),
            "share": percent(one["share"]),
            "by_bound": ", ".join(
                f"{bound} {number(part['measured_ms'])} ms in {part['layers']} layers"
                for bound, part in one["by_bound"].items()
            ),
        }
        for component, one in summary(table, lines).items()
    ]
