"""A recipe's constraints, checked for one candidate, each miss as a relative amount and in words."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from workbench.metrics.base import Limit, Metric
from workbench.metrics.registry import limits as limits_of_metrics
from workbench.report.format import known, number, percent


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


def check_limits(
    row: Mapping[str, Any],
    first: Mapping[str, Any],
    limits: Mapping[str, float | None],
    rows: Mapping[tuple[str, str], Mapping[str, Any]] | None = None,
) -> list[Check]:
    """All set constraints for the candidate of ``row``; ``first`` is the row of the recipe's first candidate.

    Rows have ``latency_ms`` (ms), ``size_bytes``, ``peak_rss_bytes`` and the quality columns; sizes in the
    constraints are in 1e6 bytes. ``rows`` holds all rows by candidate and target, for limits such as
    ``latency_ms@TARGET``. The reference itself has no value of a metric against it, and meets any limit.
    """
    checks = []
    for key, limit in limits.items():
        if limit is None:
            continue
        kind, at, target = key.partition("@")
        # A limit on another target is held against the same candidate's row there; one without a row misses it.
        own = (rows or {}).get((row["candidate"], target), {}) if at else row
        check = _checks()[kind](own, first, limit)
        checks.append(replace(check, key=key, words=f"{check.words} on {target}") if at else check)
    return checks


def _upper(key: str, column: str, scale: float, unit: str, too_much: str) -> Callable[..., Check]:
    def check(row: Mapping[str, Any], _first: Mapping[str, Any], limit: float) -> Check:
        value = row.get(column)
        if not known(value):
            return Check(key, math.inf, f"{key}: not measured", None)
        value = value / scale
        words = f"{percent(value / limit - 1)} {too_much} than the limit ({number(value)} {unit}, limit {limit:g})"
        return Check(key, value / limit - 1, words, value)

    return check


def _quality(metric: Metric, limit: Limit) -> Callable[..., Check]:
    """A least value of a metric, or the largest share of the first candidate's that may be lost."""

    def check(row: Mapping[str, Any], first: Mapping[str, Any], allowed: float) -> Check:
        value, whole = row.get(metric.name), first.get(metric.name, math.nan)
        if metric.of_reference and row["candidate"] == first["candidate"] and not known(value):
            return Check(limit.key, -math.inf, "is the reference", None)
        if not known(value) or (limit.relative and not (known(whole) and whole > 0)):
            return Check(limit.key, math.inf, f"{limit.key}: {limit.what} not measured", None)
        least = limit.least(allowed, whole)
        if limit.relative:
            lost = 1 - value / whole
            words = f"{limit.what} {percent(lost)} below {first['candidate']}, the limit is {percent(allowed)}"
            return Check(limit.key, 1 - value / least if least > 0 else lost - allowed, words, lost)
        shown = metric.with_unit(number(value))
        words = f"{limit.what} {percent(1 - value / least)} below the limit ({shown}, limit {allowed:g})"
        return Check(limit.key, 1 - value / least, words, value, at_least=True)

    return check


@cache
def _checks() -> dict[str, Callable[..., Check]]:
    """Every constraint by its key: those on what a candidate costs, and those that metrics offer."""
    return {
        "latency_ms": _upper("latency_ms", "latency_ms", 1, "ms", "slower"),
        "size_mb": _upper("size_mb", "size_bytes", 1e6, "MB", "larger"),
        "peak_rss_mb": _upper("peak_rss_mb", "peak_rss_bytes", 1e6, "MB", "more peak memory"),
        **{key: _quality(metric, limit) for key, (metric, limit) in limits_of_metrics().items()},
    }
