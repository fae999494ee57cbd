"""Where the time of one picture goes: component by component."""

from __future__ import annotations

from dataclasses import dataclass

from workbench.report.data import RunData
from workbench.report.figures import bars
from workbench.report.ranking.rank import Ranking
from workbench.report.sections.budget import sums
from workbench.report.sections.registry import Section


@dataclass(frozen=True)
class Facts:
    """``figure`` is an SVG; ``few_steps``: whether some candidate takes fewer steps than the others."""

    figure: str | None
    sums: sums.Table
    few_steps: bool


def gather(run: RunData, ranking: Ranking) -> Facts:
    """A stacked bar, and what the parts add up to."""
    figure = bars.budget(run.profiles, [c.name for c in run.candidates])
    return Facts(figure, sums.table(run), any(c.steps for c in run.candidates))


SECTION = Section(__name__, "Where the time of one picture goes", 60, gather, link="Budget")
