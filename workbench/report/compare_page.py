"""The page of ``workbench compare``: one HTML file that needs nothing else."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from workbench.comparing.comparison import (
    INTERLEAVED,
    STATISTIC,
    Comparison,
    layer_words,
    percent,
    signed,
    signed_ms,
    threads_words,
)
from workbench.comparing.layers import FAMILY, LEAST_LAYER, LEAST_SHARE, LayerChange, differing
from workbench.comparing.ratio import FASTER, SLOWER
from workbench.report.format import number
from workbench.report.page import fill

WIDTH, HEIGHT = 460, 34
"""Of the picture of an interval, in CSS pixels."""
TONE = {SLOWER: "worse", FASTER: "better"}


@dataclass(frozen=True)
class Row:
    """A component in A and B as words, and places on the picture of its interval in CSS pixels from its left.

    ``one`` is where A and B are as fast, ``limit`` the gate's, ``dots`` the single loads.
    """

    component: str
    a_ms: str
    b_ms: str
    ratio: str
    interval: str
    n: str
    outcome: str
    tone: str
    one: float
    limit: float | None
    low: float
    high: float
    value: float
    dots: Sequence[float]
    layers: Sequence[LayerChange]
    differing: int
    layers_reason: str


def render(comparison: Comparison, fail_above: float | None = None) -> str:
    """The page as a string; ``fail_above`` is the gate's limit. The same comparison gives the same bytes."""
    return fill("compare.html", **_values(comparison, fail_above))


def _values(comparison: Comparison, fail_above: float | None) -> dict[str, Any]:
    regressions = [] if fail_above is None else comparison.regressions(fail_above)
    outcomes = {compared.ratio.outcome() for compared in comparison.components}
    return {
        "c": comparison,
        "headline": _headline(outcomes, bool(regressions)),
        "bad": bool(regressions) or SLOWER in outcomes,
        "gate": None
        if fail_above is None
        else f"Limit: B may be {percent(fail_above)} slower. "
        + (f"Failed: {', '.join(r.component for r in regressions)}." if regressions else "Passed."),
        "sentences": [compared.sentence for compared in comparison.components],
        "layer_words": [word for compared in comparison.components for word in layer_words(compared)],
        "rows": _rows(comparison, fail_above),
        "how": ", ".join(filter(None, (comparison.runtime, threads_words(comparison.threads), comparison.how))),
        "interleaved": comparison.how == INTERLEAVED,
        "statistic": STATISTIC[comparison.how],
        "size": (WIDTH, HEIGHT),
        "tone": TONE,
        "signed": signed,
        "signed_ms": signed_ms,
        "limits": {
            "layer": percent(LEAST_LAYER, 0),
            "share": percent(LEAST_SHARE),
            "family": percent(FAMILY, 0),
        },
        "machine": {"threads": comparison.threads, "noise": comparison.noise, "environment": comparison.environment},
    }


def _headline(outcomes: set[str], regressed: bool) -> str:
    if regressed:
        return "B is slower: a regression"
    if {SLOWER, FASTER} <= outcomes:
        return "B is faster in part and slower in part"
    if SLOWER in outcomes:
        return "B is slower"
    return "B is faster" if FASTER in outcomes else "No difference to be seen"


def _rows(comparison: Comparison, fail_above: float | None) -> list[Row]:
    points = [
        (compared, [math.exp(load.log_ratio) for load in compared.taken.loads] if compared.taken else [])
        for compared in comparison.components
    ]
    values = [v for compared, dots in points for v in (*dots, compared.ratio.low, compared.ratio.high)]
    reach = 1.1 * max(0.02, fail_above or 0.0, *(abs(math.log(v)) for v in values))

    def at(ratio: float) -> float:
        return round(WIDTH * (0.5 + math.log(ratio) / reach / 2), 2)

    rows = []
    for compared, dots in points:
        ratio, taken = compared.ratio, compared.taken
        rows.append(
            Row(
                component=compared.component,
                a_ms=number(compared.a_ms),
                b_ms=number(compared.b_ms),
                ratio=f"{ratio.value:.3f}",
                interval=f"{ratio.low:.3f} to {ratio.high:.3f}",
                n=f"{len(taken.loads)} loads × {len(taken.loads[0].a)} passes" if taken else f"{ratio.n} passes",
                outcome=ratio.outcome(),
                tone=TONE.get(ratio.outcome(), ""),
                one=at(1.0),
                limit=at(1 + fail_above) if fail_above else None,
                low=at(ratio.low),
                high=at(ratio.high),
                value=at(ratio.value),
                dots=[at(dot) for dot in dots],
                layers=_layers(compared.layers or ()),
                differing=len(differing(compared.layers or ())),
                layers_reason=compared.layers_reason,
            )
        )
    return rows


def _layers(changes: Sequence[LayerChange]) -> list[LayerChange]:
    """Those that differ first, the largest difference in ms first."""
    differ = differing(changes)
    return [*differ, *(change for change in changes if change not in differ)]
