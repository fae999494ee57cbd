"""Why a candidate is as fast as it is against another: facts from two profiles of one target, and no prose."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workbench.comparing.changes import Block, Change, block_changes, layer_changes
from workbench.measure.clock import Stats
from workbench.measure.kinds import CONVERSION, FLOAT, INT8, KINDS, MOVE, VIEWS
from workbench.runtimes.base import RUNTIMES, described
from workbench.runtimes.kernels import kernels_of

if TYPE_CHECKING:
    import pandas as pd

    from workbench.profile.summary import Component, Summary, Transition

AGREE = 1.2
"""How far the ratio of kernel times may be from that of latencies before they contradict each other."""
LEAST_VIEWS = 5
"""Kernels that move nothing, below which the profiler's own time isn't estimated from them."""


@dataclass(frozen=True)
class Work:
    """A kind of work in one pass.

    ``ms`` is its kernel time as profiled (measured), ``net_ms`` what is left of it without the profiler's own time
    (estimated). None: the profile doesn't tell single kernels.
    """

    ms: float
    kernels: int | None
    net_ms: float | None


@dataclass(frozen=True)
class Side:
    """One of the two: latency of a pass in ms with profiling off, its quartiles, and the profiled pass by kind.

    ``profiler_us`` is what the runtime's profiler adds to each kernel (estimated). ``integer``,
    ``integer_with_attention`` and ``stored`` are shares of MACs.
    """

    candidate: str
    ms: float
    low: float
    high: float
    n: int
    macs: float
    params: float
    kernel_ms: float | None
    profiler_us: float | None
    work: Mapping[str, Work]
    integer: float
    integer_with_attention: float
    stored: float
    scheme: str = "fp32"

    def best(self, *kinds: str) -> float:
        """Kernel time of some kinds in ms: net where that is known, else as profiled."""
        works = [self.work[kind] for kind in kinds or KINDS]
        return sum(work.ms if work.net_ms is None else work.net_ms for work in works)

    @property
    def net(self) -> bool:
        """Whether the kernel times that ``best`` gives are without the profiler's own."""
        return all(work.net_ms is not None for work in self.work.values())


@dataclass(frozen=True)
class Why:
    """What changed in one component from ``before`` to ``after``.

    ``slower`` and ``faster`` list layers whose quartiles don't overlap, the greatest difference first; ``gone`` and
    ``new`` layers that only one of the two has. ``transitions`` are those of ``after``: ``{before, after, count, ms}``.
    """

    component: str
    target: str
    before: Side
    after: Side
    slower: Sequence[Change]
    faster: Sequence[Change]
    gone: Sequence[str]
    new: Sequence[str]
    blocks: Sequence[Block]
    transitions: Sequence[Transition]

    @property
    def speed(self) -> float:
        """How many times as fast; below 1: slower."""
        return self.before.ms / self.after.ms

    @property
    def settled(self) -> bool:
        """Whether the middle halves of the samples lie apart, so that there is a difference to be explained."""
        return self.before.low > self.after.high or self.after.low > self.before.high

    @property
    def stored_only(self) -> bool:
        """Whether most of what is stored in int8 is turned back and multiplied in float."""
        return self.after.stored > 0.1 and self.after.integer < 0.5 * self.after.stored

    @property
    def same_layers(self) -> bool:
        """Whether both are made of the same layers, so that only precision or weights differ."""
        return not self.gone and not self.new and self.before.macs == self.after.macs

    @property
    def told_by_kernels(self) -> bool | None:
        """Whether the profiled passes show the difference that the clock shows; None where that can't be told.

        False where other work on the machine, or time between kernels, made the difference.
        """
        if not self.before.net or not self.after.net:
            return None
        return abs(math.log(self.speed * self.after.best() / self.before.best())) < math.log(AGREE)

    @property
    def products_ms(self) -> tuple[float, float]:
        """Kernel time of all products, before and after, in ms (see ``Side.best``)."""
        return self.before.best(INT8, FLOAT), self.after.best(INT8, FLOAT)

    @property
    def conversions_ms(self) -> float:
        """Kernel time in ms that turning one number format into another takes more than before."""
        return self.after.best(CONVERSION) - self.before.best(CONVERSION)

    @property
    def moves_ms(self) -> float:
        """Kernel time in ms that moving numbers takes more than before; negative: less."""
        return self.after.best(MOVE) - self.before.best(MOVE)

    def speed_without(self, ms: float) -> float | None:
        """How many times as fast if ``ms`` of the kernel time after were saved (estimated)."""
        whole = self.after.best()
        left = self.after.ms * (1 - ms / whole) if whole else 0.0
        return self.before.ms / left if left > 0 else None

    @property
    def speed_limit(self) -> float | None:
        """How many times as fast if products took no time at all and nothing else had changed (estimated)."""
        whole, rest = self.before.best(), self.before.best() - self.before.best(INT8, FLOAT)
        return whole / rest if rest > 0 else None


def explain(before: Summary, after: Summary, old: pd.DataFrame | None, new: pd.DataFrame | None) -> list[Why]:
    """Every component that both profiles have and that isn't the same network in both.

    Args:
        before: summary (what a profile's JSON holds) of the candidate to compare with.
        after: that of the candidate to be explained, on the same target.
        old: table of layers of ``before``; None: there is none, and no layers are compared.
        new: that of ``after``.
    """
    reasons = []
    for name, component in (after.get("components") or {}).items():
        other = (before.get("components") or {}).get(name)
        if other is None or _identity(before, name, other) == _identity(after, name, component):
            continue
        if not _median(other) or not _median(component):
            continue
        cost = _profiler_us(str(after.get("runtime", "")), (other, component))
        sides = [_side(p, c, t, name, cost) for p, c, t in ((before, other, old), (after, component, new))]
        tables = [_rows(table, name) for table in (old, new)]
        changes = layer_changes(
            tables[0],
            tables[1],
            other.get("layer_samples_ms") or {},
            component.get("layer_samples_ms") or {},
            (cost or 0.0) / 1e3,
        )
        layers = [{row["layer"] for row in rows} for rows in tables]
        both = bool(tables[0]) and bool(tables[1])
        reasons.append(
            Why(
                component=name,
                target=str(after.get("target", "")),
                before=sides[0],
                after=sides[1],
                slower=[c for c in changes if c.after_ms > c.before_ms],
                faster=[c for c in changes if c.after_ms < c.before_ms],
                gone=sorted(layers[0] - layers[1]) if both else [],
                new=sorted(layers[1] - layers[0]) if both else [],
                blocks=block_changes(*tables) if both else [],
                transitions=component.get("transitions") or [],
            )
        )
    return reasons


def _identity(profile: Summary, name: str, component: Component) -> str:
    """Equal where one network was measured for both."""
    return component.get("shared_with") or f"{profile.get('candidate')}.{name}"


def _median(component: Component) -> float | None:
    return (component.get("latency_ms") or {}).get("median")


def _rows(table: pd.DataFrame | None, component: str) -> list[dict[str, Any]]:
    """The component's layers, without the rows that stand for no layer."""
    if table is None or table.empty:
        return []
    own = table[(table["component"] == component) & ~table["layer"].str.startswith("(")]
    return [{str(key): value for key, value in row.items()} for row in own.to_dict("records")]


def _side(
    profile: Summary,
    component: Component,
    table: pd.DataFrame | None,
    name: str,
    cost: float | None,
) -> Side:
    latency = component["latency_ms"]
    samples = latency.get("samples")
    half = (latency.get("iqr") or 0.0) / 2
    median = latency["median"]
    stats = Stats(tuple(samples)) if samples else None
    return Side(
        candidate=str(profile.get("candidate", "")),
        ms=median,
        low=stats.quantile(0.25) if stats else median - half,
        high=stats.quantile(0.75) if stats else median + half,
        n=latency.get("n") or 0,
        macs=component.get("macs") or 0,
        params=component.get("params") or 0,
        kernel_ms=component.get("kernel_ms"),
        profiler_us=cost,
        work=_work(component, cost, str(profile.get("runtime", "")), _schemes(table, name)),
        integer=component.get("quantized_macs_share") or 0.0,
        integer_with_attention=component.get("quantized_macs_share_with_attention") or 0.0,
        stored=component.get("stored_quantized_macs_share") or 0.0,
        scheme=str(component.get("scheme") or "fp32"),
    )


def _profiler_us(runtime: str, sides: Sequence[Component]) -> float | None:
    """µs that profiling adds to a kernel; None where that isn't known.

    ONNX Runtime writes down names and shapes of inputs within a kernel's time: some 5 µs each, half of a small U-Net's
    kernel time. Without it the kernels add up to about what the clock says with profiling off. Estimated from kernels
    that only give numbers another shape, of both sides together: the mean of their middle half, since single times are
    whole µs.
    """
    if not all(side.get("events") for side in sides):
        return None
    adds = described(runtime).profiler if runtime in RUNTIMES else "not known"
    if adds != "in kernels":
        return 0.0 if adds == "free" else None
    idle = sorted(duration for side in sides for _, _, op, _, duration in side["events"] if op in VIEWS)
    if len(idle) < LEAST_VIEWS:
        return 0.0
    middle = idle[len(idle) // 4 : len(idle) - len(idle) // 4]
    return float(sum(middle) / len(middle))


def _work(component: Component, cost: float | None, runtime: str, schemes: Mapping[str, str]) -> dict[str, Work]:
    """Kernel time by kind; an operator whose kernels are of two kinds is split as in the pass that was recorded."""
    names = kernels_of(runtime)
    kernels: Counter[tuple[str, str]] = Counter()
    spent: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for _, layer, op, _, duration in component.get("events") or []:
        kind = names.kind(op, schemes.get(layer, ""))
        kernels[op, kind] += 1
        spent[op][kind] += duration
    ms, net = dict.fromkeys(KINDS, 0.0), dict.fromkeys(KINDS, 0.0)
    counts = dict.fromkeys(KINDS, 0)
    for op, time in (component.get("op_ms") or {}).items():
        whole = sum(spent[op].values())
        shares = {kind: part / whole for kind, part in spent[op].items()} if whole else {names.kind(op): 1.0}
        for kind, share in shares.items():
            ms[kind] += time * share
            counts[kind] += kernels[op, kind]
            net[kind] += max(0.0, time * share - (cost or 0.0) / 1e3 * kernels[op, kind])
    known = cost is not None
    return {kind: Work(ms[kind], counts[kind] if known else None, net[kind] if known else None) for kind in KINDS}


def _schemes(table: pd.DataFrame | None, component: str) -> dict[str, str]:
    return {row["layer"]: str(row["scheme"]) for row in _rows(table, component)}
