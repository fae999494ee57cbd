"""What may be wrong with the numbers."""

from __future__ import annotations

from typing import Any

from workbench.report.data import RunData
from workbench.report.ranking.rank import Ranking
from workbench.report.sections.registry import Section


def gather(run: RunData, _ranking: Ranking) -> dict[str, Any]:
    """The run's own, and what no quantization without training should do: make pictures better."""
    found = [*run.warnings, *_gains(run)]
    return {"found": found, "count": len(found)}


def _gains(run: RunData) -> list[str]:
    """Rounding noise can't teach: where it seems to, the score is fooled (MLPerf Inference bounds scores above too)."""
    found = []
    for candidate in run.candidates:
        scores = run.scores.get(candidate.name)
        untrained = candidate.report.get("method") == "ptq"
        for each in scores["paired"] if scores and untrained else []:
            metric = run.recipe.metrics[each["metric"]]
            end = each["low"] if metric.sign > 0 else each["high"]
            if each["against"] == candidate.parent and metric.sign * end > 0 and round(end, metric.digits):
                gained = metric.with_unit(f"{each['difference']:+.{metric.digits}f}")
                found.append(
                    f"{candidate.name}: {metric.label} is better than that of {candidate.parent} ({gained}, beyond the "
                    "noise), which quantization without training can't make it: don't trust the score there"
                )
    return found


SECTION = Section(__name__, "Warnings", 120, gather, link="Warnings ({facts[count]})")
