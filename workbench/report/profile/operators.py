"""Kernel time by what the runtime executed, profiles side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from workbench.measure.kinds import CONVERSION, MOVE
from workbench.profile.read import ReadProfile
from workbench.report.format import MISSING, milliseconds, number, percent
from workbench.runtimes.kernels import kernels_of

LEAST = 0.01
"""Share of all time below which operators are one row together."""


@dataclass(frozen=True)
class Cell:
    """Kernel time in ms, its share of all, and its length as a share of the longest bar."""

    ms: str
    share: str
    bar: float


@dataclass(frozen=True)
class Row:
    """One operator; a cell for each profile."""

    op: str
    kind: str
    cells: Sequence[Cell]


@dataclass(frozen=True)
class Operators:
    """``total``: kernel time of each profile; ``moved``: the share of kernels that compute nothing."""

    component: str
    rows: Sequence[Row]
    total: Sequence[str]
    moved: Sequence[str]


def operators(profiles: Sequence[ReadProfile], component: str) -> Operators | None:
    """None where no profile tells single kernels of the component."""
    times = [dict((p.summary["components"].get(component) or {}).get("op_ms") or {}) for p in profiles]
    totals = [sum(t.values()) for t in times]
    if not any(totals):
        return None
    share = {
        op: max(t.get(op, 0.0) / total for t, total in zip(times, totals, strict=True) if total)
        for op in dict.fromkeys(op for t in times for op in t)
    }
    shown = sorted((op for op in share if share[op] >= LEAST), key=lambda op: -share[op])
    rest = [op for op in share if share[op] < LEAST]
    most = max(t.get(op, 0.0) for t in times for op in shown) or 1.0

    def cells(ops: Sequence[str]) -> list[Cell]:
        sums = [sum(t.get(op, 0.0) for op in ops) for t in times]
        return [
            Cell(number(ms) if ms else MISSING, percent(ms / total) if ms else "", ms / most)
            for ms, total in zip(sums, totals, strict=True)
        ]

    names = [kernels_of(p.summary.get("runtime")) for p in profiles]
    kinds = {op: own.kind(op) for t, own in zip(times[::-1], names[::-1], strict=True) for op in t}
    rows = [Row(op, kinds[op], cells([op])) for op in shown]
    if rest:
        rows.append(Row(f"{len(rest)} others", "", cells(rest)))
    moved = [
        sum(ms for op, ms in t.items() if own.kind(op) in (CONVERSION, MOVE))
        for t, own in zip(times, names, strict=True)
    ]
    return Operators(
        component,
        rows,
        total=[milliseconds(total) for total in totals],
        moved=[percent(m / total) if total else MISSING for m, total in zip(moved, totals, strict=True)],
    )
