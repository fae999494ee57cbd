"""Scores of the pictures: all metrics × candidates, candidates picture by picture, and the U-Net's output."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from workbench.metrics.base import ByTimestep
from workbench.report.data import RunData
from workbench.report.figures.bars import by_timestep
from workbench.report.format import MISSING, capital, number, span
from workbench.report.ranking.rank import Ranking
from workbench.report.ranking.table import measured, value_of
from workbench.report.sections.quality import paired
from workbench.report.sections.registry import Section

WIDE = 6
"""Candidates beyond which the table of scores has a row, not a column, for each."""


@dataclass(frozen=True)
class Line:
    """One metric as words; ``cells``: value and interval of each candidate; ``real``: what real pictures get."""

    label: str
    unit: str
    better: str
    n: str
    real: str
    cells: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Facts:
    """``real``: whether real pictures were scored, too; ``tall``: a row, not a column, per candidate."""

    metrics: Sequence[Line]
    real: bool
    tall: bool
    paired: Sequence[paired.Row]
    figures: Sequence[tuple[ByTimestep, str]]


def gather(run: RunData, ranking: Ranking) -> Facts:
    """The table's metrics in their order; ``figures``: of those that are measured timestep by timestep, as SVG."""
    lines, names = _lines(run), [c.name for c in run.candidates]
    figures = [
        (metric.by_timestep, drawn)
        for metric in measured(run.scores)
        if metric.by_timestep and (drawn := by_timestep(metric, run.scores, names))
    ]
    return Facts(lines, any(line.real for line in lines), len(names) > WIDE, paired.rows(run), figures)


def _lines(run: RunData) -> list[Line]:
    arrows = {"high": "higher is better", "low": "lower is better", "one": "1 is best"}
    lines = []
    for metric in measured(run.scores):
        values = {c.name: value_of(run.scores, c.name, metric.name) for c in run.candidates}
        missing = {run.first: "reference"} if metric.of_reference else {}
        cells = [(number(v["value"]) if v else missing.get(name, MISSING), span(v)) for name, v in values.items()]
        ns = sorted({v["n"] for v in values.values() if v})
        real = next((v["real"] for v in values.values() if v and "real" in v), None)
        lines.append(
            Line(
                label=capital(metric.label),
                unit=metric.unit,
                better=arrows[metric.better],
                n=", ".join(map(str, ns)) or MISSING,
                real=number(real) if real is not None else "",
                cells=cells,
            )
        )
    return lines


SECTION = Section(__name__, "Quality", 70, gather)
