"""One component of a candidate against its parent's: sentences, and the tables that they stand on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from workbench.comparing.changes import Block, Change
from workbench.comparing.explain import Side, Why, Work
from workbench.measure.kinds import KINDS
from workbench.models.families import component_label
from workbench.profile.summary import Transition
from workbench.report.format import MISSING, milliseconds, number, whole
from workbench.report.sections.why.prose import sentences

MOST = 12
"""Slower layers that are shown; the page says how many more there are."""
Cell = tuple[str, str]
"""A figure and the small one beneath it."""


@dataclass(frozen=True)
class Formats:
    """The matrix of conversions: a row per format that is turned into others, cells of ms and how many."""

    columns: Sequence[str]
    rows: Sequence[tuple[str, Sequence[Cell]]]


@dataclass(frozen=True)
class Component:
    """``kinds``: kernel time by kind of work, a cell for either side; ``beneath`` says what their small figures are.

    ``note`` is what must be known to read the kernel times; ``more``: slower layers that aren't shown.
    """

    name: str
    sentences: Sequence[str]
    kinds: Sequence[tuple[str, Sequence[Cell]]]
    beneath: str
    note: str
    formats: Formats | None
    slower: Sequence[Change]
    more: int
    faster: int
    parts: Sequence[Block]


def component(why: Why, quantized: bool) -> Component:
    """What changed in one component; slower layers are listed for quantized candidates only."""
    return Component(
        name=component_label(why.component),
        sentences=sentences(why),
        kinds=_kinds(why),
        beneath=_beneath(why),
        note=_note(why),
        formats=_formats(why.transitions),
        slower=why.slower[:MOST] if quantized else [],
        more=max(0, len(why.slower) - MOST) if quantized else 0,
        faster=len(why.faster),
        parts=[] if why.same_layers else [block for block in why.blocks if block.before_ms or block.after_ms],
    )


def _kinds(why: Why) -> list[tuple[str, list[Cell]]]:
    """Kinds that neither side has are left out."""
    shows_net = bool(why.after.profiler_us)
    rows = []
    for kind in KINDS:
        works = [side.work[kind] for side in (why.before, why.after)]
        if any(work.ms for work in works):
            rows.append((kind, [_cell(work, shows_net) for work in works]))
    sums = [_cell(_total(side), shows_net) for side in (why.before, why.after)]
    return [*rows, ("all kernels", sums)] if rows else []


def _total(side: Side) -> Work:
    kernels = [work.kernels for work in side.work.values()]
    count = sum(n for n in kernels if n is not None) if side.net else None
    return Work(sum(work.ms for work in side.work.values()), count, side.best() if side.net else None)


def _cell(work: Work, shows_net: bool) -> Cell:
    """Time as profiled, and beneath it what is left without the profiler's own where that takes any, and kernels."""
    if not work.ms:
        return MISSING, ""
    beneath = [number(work.net_ms)] if shows_net and work.net_ms is not None else []
    beneath += [whole(work.kernels)] if work.kernels is not None else []
    return number(work.ms), " · ".join(beneath)


def _beneath(why: Why) -> str:
    if why.after.profiler_us is None:
        return ""
    return "net, estimated · kernels" if why.after.profiler_us else "kernels"


def _note(why: Why) -> str:
    cost = why.after.profiler_us
    if cost is None:
        return "This profile doesn't tell single kernels, so the profiler's own time is still in these figures."
    if not cost:
        return ""
    return (
        f"The runtime's profiler adds about {number(cost, 2)} µs to each kernel (estimated from kernels that do "
        "nothing, such as Reshape); net: without that."
    )


def _formats(transitions: Sequence[Transition]) -> Formats | None:
    if not transitions:
        return None
    sums: dict[tuple[str, str], list[float]] = {}
    for entry in transitions:
        cell = sums.setdefault((str(entry["before"]), str(entry["after"])), [0, 0.0])
        cell[0] += entry["count"]
        cell[1] += entry["ms"]
    rows, columns = (list(dict.fromkeys(key[i] for key in sums)) for i in (0, 1))
    return Formats(columns, [(row, [_conversion(sums.get((row, column))) for column in columns]) for row in rows])


def _conversion(cell: Sequence[float] | None) -> Cell:
    return (milliseconds(cell[1]), whole(cell[0])) if cell else (MISSING, "")
