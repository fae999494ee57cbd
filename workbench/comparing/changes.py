"""Layers and blocks of one component in two profiles: what got slower, faster, or went away."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from workbench.measure.clock import Stats

LEAST_MS, LEAST_SHARE = 0.005, 0.05
"""Differences smaller than 5 µs (runtimes tell whole µs) or 5 % are not listed, however certain."""


@dataclass(frozen=True)
class Change:
    """A layer, with those that either runtime fused with it, in two profiles; times in ms per pass, measured."""

    layer: str
    fused: tuple[str, ...]
    before_op: str
    after_op: str
    scheme: str
    before_ms: float
    after_ms: float
    before_iqr_ms: float
    after_iqr_ms: float

    @property
    def ratio(self) -> float | None:
        """Time after ÷ before."""
        return self.after_ms / self.before_ms if self.before_ms else None


@dataclass(frozen=True)
class Block:
    """A part of the module tree: kernel time per pass in ms (measured) and MACs (counted), before and after."""

    name: str
    before_ms: float
    after_ms: float
    before_macs: float
    after_macs: float


Rows = Sequence[Mapping[str, Any]]
Samples = Mapping[str, Sequence[float]]


def layer_changes(before: Rows, after: Rows, old: Samples, new: Samples, profiler_ms: float = 0.0) -> list[Change]:
    """Layers that do the same work in both and whose times differ clearly, the greatest difference first.

    The same work: as many MACs and parameters (removing blocks renumbers others, and two layers of one name may then
    be different ones). Clearly: the middle halves of the passes lie apart, and the difference isn't only that the
    profiler's own time was added for more kernels. Layers that one of the two computes in one kernel are taken
    together.

    Args:
        before: rows of the table of layers of one component.
        after: those of the other candidate.
        old: ms of each layer, pass by pass, where it was kept; else median and IQR stand for it.
        new: the same for ``after``.
        profiler_ms: what profiling adds to a kernel.
    """
    sides = {row["layer"]: row for row in before}, {row["layer"]: row for row in after}
    changes = []
    for group in _groups(before, after):
        if not any(layer in sides[0] for layer in group) or not any(layer in sides[1] for layer in group):
            continue
        if _work(group, sides[0]) != _work(group, sides[1]):
            continue
        a, b = _together(group, sides[0], old), _together(group, sides[1], new)
        apart = a.low > b.high or b.low > a.high
        moved = b.ms - a.ms
        net = moved - (b.calls - a.calls) * profiler_ms
        if not apart or moved * net <= 0 or min(abs(moved), abs(net)) < max(LEAST_MS, LEAST_SHARE * a.ms):
            continue
        head = max(group, key=lambda layer: sum(_ms(side.get(layer)) for side in sides))
        changes.append(
            Change(
                layer=head,
                fused=tuple(layer for layer in group if layer != head),
                before_op=_op(sides[0].get(head)),
                after_op=_op(sides[1].get(head)),
                scheme=str((sides[1].get(head) or {}).get("scheme", "")),
                before_ms=a.ms,
                after_ms=b.ms,
                before_iqr_ms=a.high - a.low,
                after_iqr_ms=b.high - b.low,
            )
        )
    return sorted(changes, key=lambda change: -abs(change.after_ms - change.before_ms))


@dataclass(frozen=True)
class _Together:
    ms: float
    low: float
    high: float
    calls: float


def _together(group: Sequence[str], rows: Mapping[str, Mapping[str, Any]], samples: Samples) -> _Together:
    own = [rows[layer] for layer in group if layer in rows]
    calls = sum(_number(row.get("calls")) for row in own)
    passes = [samples[row["layer"]] for row in own if samples.get(row["layer"])]
    if passes:
        stats = Stats(tuple(map(sum, zip(*passes, strict=False))))
        return _Together(stats.median, stats.quantile(0.25), stats.quantile(0.75), calls)
    ms = sum(_ms(row) for row in own)
    half = sum(_number(row.get("latency_iqr_ms")) for row in own) / 2
    return _Together(ms, ms - half, ms + half, calls)


def _work(group: Sequence[str], rows: Mapping[str, Mapping[str, Any]]) -> tuple[float, ...]:
    own = [rows[layer] for layer in group if layer in rows]
    return tuple(sum(_number(row.get(key)) for row in own) for key in ("macs", "params"))


def _groups(before: Rows, after: Rows) -> list[list[str]]:
    """Layers, those together that one kernel computes in either profile; in the order of the first table."""
    head: dict[str, str] = {}

    def top(layer: str) -> str:
        while head.setdefault(layer, layer) != layer:
            layer = head[layer]
        return layer

    for row in (*before, *after):
        top(row["layer"])
        into = row.get("fused_into")
        if isinstance(into, str) and into:
            head[top(row["layer"])] = top(into)
    groups: defaultdict[str, list[str]] = defaultdict(list)
    for layer in list(head):
        groups[top(layer)].append(layer)
    return list(groups.values())


def block_changes(before: Rows, after: Rows) -> list[Block]:
    """Both profiles rolled up to the parts of the module tree, in the order of the table.

    A part is a path without its numbers (``down_blocks``, ``mid_block``): where blocks were removed, those that are
    left may have moved up. One level deeper where that gives fewer than three parts.
    """
    layers = list(dict.fromkeys(row["layer"] for row in (*before, *after)))
    depth = next((d for d in (1, 2) if len({part_of(layer, d) for layer in layers}) >= 3), 1)
    sums: list[defaultdict[tuple[str, str], float]] = [defaultdict(float), defaultdict(float)]
    for counter, rows in zip(sums, (before, after), strict=True):
        for row in rows:
            name = part_of(row["layer"], depth)
            counter[name, "ms"] += _ms(row)
            counter[name, "macs"] += _number(row.get("macs"))
    names = dict.fromkeys(part_of(layer, depth) for layer in layers)
    a, b = sums
    return [Block(n, a[n, "ms"], b[n, "ms"], a[n, "macs"], b[n, "macs"]) for n in names]


def part_of(layer: str, depth: int = 1) -> str:
    """The first ``depth`` parts of a layer's path, at most up to its first number."""
    parts = layer.split(".")[:depth]
    return ".".join(itertools.takewhile(lambda part: not part.isdigit(), parts))


def _number(value: Any) -> float:
    """A table's number; 0 for what it doesn't hold."""
    return float(value) if isinstance(value, (int, float)) and value == value else 0.0


def _ms(row: Mapping[str, Any] | None) -> float:
    return _number(row.get("latency_ms")) if row else 0.0


def _op(row: Mapping[str, Any] | None) -> str:
    return str(row.get("op") or "") if row else ""
