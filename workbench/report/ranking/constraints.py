"""A recipe's constraints, checked for one candidate, each miss as a relative amount and in words."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from workbench.metrics.base import Bound, Limit, Metric
from workbench.metrics.registry import limits as limits_of
from workbench.report.format import known, number, percent

if TYPE_CHECKING:
    from workbench.recipe.schema import Constraints


@dataclass(frozen=True)
class Check:
    """One constraint for one candidate. ``excess`` > 0: missed by that share; infinite: nothing was measured.

    ``needed`` is the value of the constraint in the recipe at which the candidate would just have fitted.
    """

    key: str
    excess: float
    words: str
    needed: float | None
    at_least: bool = False
    """Whether the constraint is a least value, and not the most that is allowed."""

    @property
    def met(self) -> bool:
        """Whether the candidate is within this constraint."""
        return self.excess <= 1e-9  # a limit met exactly may come out a rounding error above it


@dataclass(frozen=True)
class Limits:
    """The constraints that a recipe sets, by key; ``metrics``: those of them that are on a metric."""

    values: Mapping[str, float]
    metrics: Mapping[str, Limit]

    @classmethod
    def of(cls, constraints: Constraints, by: Mapping[str, Metric]) -> Limits:
        """Those that are set, on the costs and on the metrics ``by``."""
        values = {key: limit for key, limit in constraints.limits().items() if limit is not None}
        return cls(values, {key: limit for key, limit in limits_of(by).items() if key in values})


def check_limits(
    row: Mapping[str, Any],
    first: Mapping[str, Any],
    limits: Limits,
    rows: Mapping[tuple[str, str], Mapping[str, Any]] | None = None,
) -> list[Check]:
    """All set constraints for the candidate of ``row``; ``first`` is the row of the recipe's first candidate.

    Rows have ``latency_ms`` (ms), ``size_bytes``, ``peak_rss_bytes`` and the quality columns; sizes in the
    constraints are in 1e6 bytes. ``rows`` holds all rows by candidate and target, for limits such as
    ``latency_ms@TARGET``. The reference itself has no value of a metric against it, and meets any limit.
    """
    checks = []
    for key, limit in limits.values.items():
        kind, at, target = key.partition("@")
        # A limit on another target is held against the same candidate's row there; one without a row misses it.
        own = (rows or {}).get((row["candidate"], target), {}) if at else row
        check = _quality(limits.metrics[key], own, first, limit) if key in limits.metrics else _COSTS[kind](own, limit)
        checks.append(replace(check, key=key, words=f"{check.words} on {target}") if at else check)
    return checks


def _upper(key: str, column: str, scale: float, unit: str, too_much: str) -> Callable[..., Check]:
    def check(row: Mapping[str, Any], limit: float) -> Check:
        value = row.get(column)
        if not known(value):
            return Check(key, math.inf, f"{key}: not measured", None)
        value = value / scale
        words = f"{percent(value / limit - 1)} {too_much} than the limit ({number(value)} {unit}, limit {limit:g})"
        return Check(key, value / limit - 1, words, value)

    return check


_COSTS = {
    "latency_ms": _upper("latency_ms", "latency_ms", 1, "ms", "slower"),
    "size_mb": _upper("size_mb", "size_bytes", 1e6, "MB", "larger"),
    "peak_rss_mb": _upper("peak_rss_mb", "peak_rss_bytes", 1e6, "MB", "more peak memory"),
}


def _quality(limit: Limit, row: Mapping[str, Any], first: Mapping[str, Any], allowed: float) -> Check:
    """One end of what a metric may be."""
    metric, key, label = limit.metric, limit.key, limit.metric.label
    value, of_first = row.get(metric.name), first.get(metric.name)
    whole = (metric.perfect if metric.of_reference else of_first) or 0.0
    if metric.of_reference and row["candidate"] == first["candidate"] and not known(value):
        return Check(key, -math.inf, "is the reference", None)
    if not known(value) or (limit.relative and not whole > 0):
        return Check(key, math.inf, f"{key}: {label} not measured", None)
    edge = limit.edge(allowed, whole)
    # A share of the limit, as of all constraints; where the limit is 0, the distance itself.
    beyond = (value - edge if limit.bound is Bound.MAX else edge - value) / (abs(edge) or 1.0)
    if limit.relative:
        lost = 1 - value / whole
        words = f"{label} {percent(lost)} below {first['candidate']}, the limit is {percent(allowed)}"
        return Check(key, beyond if edge > 0 else lost - allowed, words, lost)
    shown, side = metric.with_unit(number(value)), "above" if limit.bound is Bound.MAX else "below"
    far = percent(beyond) if edge else number(beyond)
    words = f"{label} {far} {side} the limit ({shown}, limit {allowed:g})"
    return Check(key, beyond, words, value, at_least=limit.bound is Bound.MIN)
