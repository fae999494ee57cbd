"""Which layers make B slower or faster than A: the ratio of each layer, with all layers looked at in mind."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from workbench.comparing.ratio import (
    FASTER,
    SAME,
    SLOWER,
    Doubt,
    Part,
    Ratio,
    holm,
    median,
    of_logs,
    of_stored,
    typical,
)
from workbench.measure.layers import OUTSIDE

LEAST_LAYER = 0.05
"""Ratios of a layer nearer to 1 than this are no difference: a single layer's time depends on where its data lie."""
LEAST_SHARE = 0.005
"""Layers with less than this part of the time of both sides are listed, and nothing is said of them."""
LAYER_LOAD_SPREAD = 0.04
"""As ``compare.LOAD_SPREAD``, of a single layer (measured likewise)."""
FAMILY = 0.01
"""Probability of calling any layer at all if A and B were equally fast."""
SMALL, ONLY_A, ONLY_B = "small", "only in A", "only in B"

Samples = Mapping[str, Sequence[float]]
"""Times in ms by layer, pass by pass, as ``Layers.samples``."""


@dataclass(frozen=True)
class Batch:
    """Profiled passes of A and of B, each in a load of its own, one right after the other."""

    a: Samples
    b: Samples
    a_first: bool


@dataclass(frozen=True)
class LayerChange:
    """One layer on both sides: times in ms (None: not there), the ratio, and what is to be said of it.

    ``p`` is corrected for the number of layers looked at (Holm); None where nothing was looked at. ``note`` says where
    the layer's work went when the other side computes it in another layer's kernel.
    """

    layer: str
    a_ms: float | None
    b_ms: float | None
    ratio: Ratio | None
    p: float | None
    outcome: str
    note: str = ""

    @property
    def difference_ms(self) -> float:
        """B − A in ms; a layer that isn't there takes no time."""
        return (self.b_ms or 0.0) - (self.a_ms or 0.0)

    def as_json(self) -> dict[str, Any]:
        """All fields and the difference."""
        ratio = self.ratio
        return {
            "layer": self.layer,
            "a_ms": self.a_ms,
            "b_ms": self.b_ms,
            "difference_ms": self.difference_ms,
            "ratio": ratio and {"value": ratio.value, "low": ratio.low, "high": ratio.high, "level": ratio.level},
            "p": self.p,
            "outcome": self.outcome,
            "note": self.note,
        }


@dataclass(frozen=True)
class _Row:
    a_ms: float | None
    b_ms: float | None
    ratio: Ratio | None = None
    share: float = 0.0


def of_batches(batches: Sequence[Batch], whole: Ratio, fused: Mapping[str, str] | None = None) -> list[LayerChange]:
    """Every layer's change, largest difference in ms first.

    Between two batches the machine may change its pace, which makes all layers slower alike. It is known how the whole
    compares, by a clock that takes turns (``whole``); so each pair of batches is scaled until the sum of its layers has
    that ratio, and what is left is what the layers do against each other. ``(runtime)``, the time outside kernels, is
    not in the sum: with profiling on it is as large as many layers, and far less steady.

    Args:
        batches: pairs of batches, as many as ``compare.of_loads`` needs loads.
        whole: the ratio of the networks in all, with profiling off.
        fused: layers computed in another layer's kernel on one side, with the words for it.
    """
    pace = [math.log(_whole(batch.b) / _whole(batch.a)) - math.log(whole.value) for batch in batches]
    orders = [batch.a_first for batch in batches]
    sides = ([batch.a for batch in batches], [batch.b for batch in batches])
    totals = [median([_whole(samples) for samples in side]) for side in sides]
    rows = {}
    for layer in dict.fromkeys(name for side in sides for samples in side for name in samples):
        times = [[_time(samples, layer) for samples in side] for side in sides]
        there = [any(layer in samples for samples in side) for side in sides]
        a_ms, b_ms = (median(taken) if own else None for taken, own in zip(times, there, strict=True))
        if not (a_ms and b_ms and all(times[0]) and all(times[1])):
            rows[layer] = _Row(a_ms, b_ms)
            continue
        logs = [math.log(b / a) - off for a, b, off in zip(*times, pace, strict=True)]
        rows[layer] = _Row(a_ms, b_ms, of_logs(logs, orders), max(a_ms / totals[0], b_ms / totals[1]))
    return _changes(rows, fused or {})


def of_profiles(a: Samples, b: Samples, doubt: Doubt, fused: Mapping[str, str] | None = None) -> list[LayerChange]:
    """Every layer's change between two stored profiles, which say less (``compare.of_stored``)."""
    totals = _whole(a), _whole(b)
    rows = {}
    for layer in dict.fromkeys([*a, *b]):
        a_ms, b_ms = (median(side[layer]) if side.get(layer) else None for side in (a, b))
        if not a_ms or not b_ms:
            rows[layer] = _Row(a_ms, b_ms)
            continue
        share = max(a_ms / totals[0], b_ms / totals[1])
        large_enough = share >= LEAST_SHARE and all(a[layer]) and all(b[layer])
        ratio = of_stored([Part(a[layer], b[layer])], doubt) if large_enough else None
        rows[layer] = _Row(a_ms, b_ms, ratio, share)
    return _changes(rows, fused or {})


def called(changes: Sequence[LayerChange]) -> list[LayerChange]:
    """Those that are slower or faster."""
    return [change for change in changes if change.outcome in (SLOWER, FASTER)]


def differing(changes: Sequence[LayerChange]) -> list[LayerChange]:
    """Those that are slower or faster, or there on one side only; largest difference in ms first."""
    return [change for change in changes if change.outcome in (SLOWER, FASTER, ONLY_A, ONLY_B)]


def _changes(rows: Mapping[str, _Row], fused: Mapping[str, str]) -> list[LayerChange]:
    tested = [name for name, row in rows.items() if row.ratio is not None and row.share >= LEAST_SHARE]
    corrected = dict(zip(tested, holm([r.p for n in tested if (r := rows[n].ratio) is not None]), strict=True))
    changes = []
    for name, row in rows.items():
        if not row.a_ms and not row.b_ms:
            continue
        outcome, p, note = SMALL, corrected.get(name), ""
        if not row.a_ms or not row.b_ms:
            note = fused.get(name, "")
            if note or row.a_ms is None or row.b_ms is None:  # else: too short for the runtime's clock on one side
                outcome = ONLY_A if row.a_ms else ONLY_B
        elif p is not None and row.ratio is not None:
            outcome = row.ratio.outcome(LEAST_LAYER) if p <= FAMILY else SAME
        changes.append(LayerChange(name, row.a_ms, row.b_ms, row.ratio, p, outcome, note))
    return sorted(changes, key=lambda change: -abs(change.difference_ms))


def _time(samples: Samples, layer: str) -> float:
    """Typical ms of a layer; 0 where it has no kernel of its own."""
    return typical(samples[layer]) if samples.get(layer) else 0.0


def _whole(samples: Samples) -> float:
    """Sum of the layers' typical ms: other programs disturb some layers in each pass, and rarely one in all passes."""
    return sum(_time(samples, layer) for layer in samples if layer != OUTSIDE)
