"""Candidates picture by picture: on the same prompts and seeds, with the interval of their difference."""

from __future__ import annotations

from dataclasses import dataclass

from workbench.metrics.base import Metric
from workbench.report.data import RunData


@dataclass(frozen=True)
class Row:
    """One comparison as words; ``settled``: what the interval says of the difference."""

    candidate: str
    against: str
    why: str
    metric: str
    difference: str
    interval: str
    ratio: str
    n: int
    settled: str


def rows(run: RunData) -> list[Row]:
    """A row for every comparison that the scores hold, in the order of the candidates."""
    table = []
    for candidate in run.candidates:
        scores = run.scores.get(candidate.name)
        for each in scores["paired"] if scores else []:
            metric, low, high = run.recipe.metrics[each["metric"]], each["low"], each["high"]
            digits = metric.digits
            ratio = ""
            if "ratio" in each:
                ratio = f"{100 * each['ratio']:.1f} % ({100 * each['ratio_low']:.1f} to {100 * each['ratio_high']:.1f})"
            table.append(
                Row(
                    candidate.name,
                    each["against"],
                    each["why"],
                    metric.label,
                    metric.with_unit(f"{each['difference']:+.{digits}f}"),
                    f"{low:+.{digits}f} to {high:+.{digits}f}",
                    ratio,
                    each["n"],
                    _settled(metric, low, high, float(f"{each['difference']:.{digits}f}")),
                )
            )
    return table


def _settled(metric: Metric, low: float, high: float, shown: float) -> str:
    """What the interval says; a difference too small for the digits shown is none to choose by."""
    if low <= 0 <= high:
        return "no difference seen"
    return "the same to these digits" if shown == 0 else "better" if metric.sign * low > 0 else "worse"
