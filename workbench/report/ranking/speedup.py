"""How fast a candidate is against another on one target, from their two profiles: a ratio with its interval."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from workbench.comparing.ratio import Doubt, Part, Ratio, of_stored
from workbench.profile.summary import Component, Summary
from workbench.report.format import known
from workbench.report.per_picture import passes_of

MOST_SAMPLES = 400
"""Passes of each side that the interval is worked out from; more are thinned out evenly."""


@dataclass(frozen=True)
class _Both:
    """A component on both sides with its passes on each; ``apart``: measured for each, so not one that they share."""

    before: Component
    after: Component
    passes_before: int
    passes: int
    apart: bool

    @property
    def n(self) -> int:
        """Passes of the side that has fewer."""
        return min(int(side["latency_ms"].get("n") or 0) for side in (self.before, self.after))


def speed(before: Summary, after: Summary, doubt: Doubt | None = None) -> Ratio | None:
    """Time after ÷ before; None where the two profiles share no measured component.

    It is the time of one picture, or of one pass of the components that differ where there is no picture. Candidates
    of a run are measured interleaved, so what else the machine did is in the passes of both. The interval is that of
    ``profile.compare.of_stored`` (99 %, with the spread of single loads), as ``workbench compare`` judges; where a
    profile keeps no samples, it is the one that the middle halves of the passes leave.

    ``doubt``: of two runs that were measured at different times.
    """
    whole = bool(before.get("pipeline") and after.get("pipeline"))
    were, are = (passes_of(p) if whole else {} for p in (before, after))
    others, own = (p.get("components") or {} for p in (before, after))
    both = [
        _Both(
            *(others[name], own[name], were.get(name, 1), are.get(name, 1)),
            apart=_identity(before, name) != _identity(after, name),
        )
        for name in own
        if name in others and _median(others[name]) and _median(own[name])
    ]
    counted = both if whole else [one for one in both if one.apart] or both
    if not counted:
        return None
    if all(_samples(side) for one in counted for side in (one.before, one.after)):
        parts = [Part(_samples(one.before, one.passes_before), _samples(one.after, one.passes)) for one in counted]
        return replace(of_stored(parts, doubt or Doubt()), n=min(one.n for one in counted))
    return _by_quartiles(counted)


def _identity(profile: Summary, name: str) -> str:
    component = profile["components"][name]
    return component.get("shared_with") or f"{profile.get('candidate')}.{name}"


def _median(component: Component) -> float | None:
    value = (component.get("latency_ms") or {}).get("median")
    return value if known(value) and value > 0 else None


def _samples(component: Component, passes: int = 1) -> tuple[float, ...]:
    """Times of ``passes`` passes each, as if all went like the one that was taken."""
    taken = tuple(component["latency_ms"].get("samples") or ())
    return tuple(passes * one for one in taken[:: math.ceil(len(taken) / MOST_SAMPLES)]) if taken else ()


def _by_quartiles(counted: Sequence[_Both]) -> Ratio:
    ends = []
    sides = (
        [(one.before, one.passes_before, one.apart) for one in counted],
        [(one.after, one.passes, one.apart) for one in counted],
    )
    for side in sides:
        middle = sum(component["latency_ms"]["median"] * passes for component, passes, _ in side)
        # What both share is one measurement, whose spread can't set them apart.
        half = sum((c["latency_ms"].get("iqr") or 0.0) / 2 * passes for c, passes, apart in side if apart)
        ends.append((max(middle - half, 0.0), middle, middle + half))
    (low_a, a, high_a), (low_b, b, high_b) = ends
    high = high_b / low_a if low_a else math.inf
    return Ratio(b / a, low_b / high_a, high, min(one.n for one in counted), math.nan, 0.5)
