"""A recipe's constraints, checked for one candidate, each miss as a relative amount and in words."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

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
    ``latency_ms@TARGET``. A candidate that is the reference itself has no PSNR and meets any.
    """
    found = []
    for key, limit in limits.items():
        if limit is None:
            continue
        kind, at, target = key.partition("@")
        # A limit on another target is held against the same candidate's row there; one without a row misses it.
        own = (rows or {}).get((row["candidate"], target), {}) if at else row
        check = _CHECKS[kind](own, first, limit)
        found.append(replace(check, key=key, words=f"{check.words} on {target}") if at else check)
    return found


def _upper(key: str, column: str, scale: float, unit: str, too_much: str) -> Callable[..., Check]:
    def check(row: Mapping[str, Any], _first: Mapping[str, Any], limit: float) -> Check:
        value = row.get(column)
        if not known(value):
            return Check(key, math.inf, f"{key}: not measured", None)
        value = value / scale
        words = f"{percent(value / limit - 1)} {too_much} than the limit ({number(value)} {unit}, limit {limit:g})"
        return Check(key, value / limit - 1, words, value)

    return check


def _alignment_drop(row: Mapping[str, Any], first: Mapping[str, Any], limit: float) -> Check:
    """Missed by the share that the alignment lacks to the least one allowed."""
    value, whole = row.get("alignment"), first.get("alignment")
    if not known(value) or not known(whole) or whole <= 0:
        return Check("alignment_drop", math.inf, "alignment_drop: alignment not measured", None)
    drop, least = 1 - value / whole, whole * (1 - limit)
    excess = drop - limit if least <= 0 else 1 - value / least
    words = f"alignment {percent(drop)} below {first['candidate']}, the limit is {percent(limit)}"
    return Check("alignment_drop", excess, words, drop)


def _psnr(row: Mapping[str, Any], first: Mapping[str, Any], limit: float) -> Check:
    value = row.get("psnr_db")
    if row["candidate"] == first["candidate"] and not known(value):
        return Check("psnr_db", -math.inf, "is the reference", None)
    if not known(value):
        return Check("psnr_db", math.inf, "psnr_db: not measured", None)
    words = f"PSNR {percent(1 - value / limit)} below the limit ({number(value)} dB, limit {limit:g})"
    return Check("psnr_db", 1 - value / limit, words, value)


_CHECKS: dict[str, Callable[..., Check]] = {
    "latency_ms": _upper("latency_ms", "latency_ms", 1, "ms", "slower"),
    "size_mb": _upper("size_mb", "size_bytes", 1e6, "MB", "larger"),
    "peak_rss_mb": _upper("peak_rss_mb", "peak_rss_bytes", 1e6, "MB", "more peak memory"),
    "alignment_drop": _alignment_drop,
    "psnr_db": _psnr,
}
