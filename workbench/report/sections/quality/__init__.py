"""Scores of the pictures: all metrics × candidates, candidates picture by picture, and the U-Net's output."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from workbench.metrics.base import ByTimestep
from workbench.metrics.scores import MetricValue
from workbench.report.data import RunData
from workbench.report.figures.bars import by_timestep
from workbench.report.format import MISSING, capital, join, number, span
from workbench.report.ranking.rank import Ranking
from workbench.report.ranking.table import measured, value_of
from workbench.report.sections.quality import paired
from workbench.report.sections.registry import Section

WIDE = 6
"""Candidates beyond which the table of scores has a row, not a column, for each."""


@dataclass(frozen=True)
class Line:
    """One metric as words; ``cells``: per candidate the value, its interval, and the value on captions that training
    saw; ``real``: what real pictures get."""

    label: str
    unit: str
    better: str
    n: str
    real: str
    cells: Sequence[tuple[str, str, str]]


@dataclass(frozen=True)
class Facts:
    """``real``: whether real pictures were scored, too; ``tall``: a row, not a column, per candidate; ``prompts`` and
    ``protocols``: sentences on what was drawn, and on how metrics measure."""

    metrics: Sequence[Line]
    real: bool
    tall: bool
    paired: Sequence[paired.Row]
    figures: Sequence[tuple[ByTimestep, str]]
    prompts: str
    protocols: Sequence[str]


def gather(run: RunData, ranking: Ranking) -> Facts:
    """The table's metrics in their order; ``figures``: of those that are measured timestep by timestep, as SVG."""
    lines, names = _lines(run), [c.name for c in run.candidates]
    metrics = measured(run.scores, run.recipe.metrics)
    figures = [
        (metric.by_timestep, drawn)
        for metric in metrics
        if metric.by_timestep and (drawn := by_timestep(metric, run.scores, names))
    ]
    by_protocol: dict[str, list[str]] = {}
    for metric in metrics:
        by_protocol.setdefault(metric.protocol, []).append(metric.label)
    protocols = [f"{capital(join(labels))}: {protocol}." for protocol, labels in by_protocol.items() if protocol]
    real, tall = any(line.real for line in lines), len(names) > WIDE
    return Facts(lines, real, tall, paired.rows(run), figures, _prompts(run), protocols)


def _prompts(run: RunData) -> str:
    """Whether training may have seen what is judged by."""
    scored = run.scores.get(run.first) or next(iter(run.scores.values()), None)
    if scored is None or run.recipe.evaluate.prompts:
        return ""
    apart = len(scored["prompts"]) - scored["n"]
    if apart:
        return (
            f"The captions of these {scored['n']} pictures are held out: no training saw them. In small, below the "
            f"interval: the same of {apart} pictures whose captions training saw."
        )
    return "The data hold out no captions: training may have seen those that are judged by."


def _lines(run: RunData) -> list[Line]:
    arrows = {"high": "higher is better", "low": "lower is better", "one": "1 is best"}
    lines = []
    for metric in measured(run.scores, run.recipe.metrics):
        values = {c.name: value_of(run.scores, c.name, metric.name) for c in run.candidates}
        missing = {run.first: "reference"} if metric.of_reference else {}
        cells = [
            (number(v["value"]) if v else missing.get(name, MISSING), span(v), _trained(v))
            for name, v in values.items()
        ]
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


def _trained(value: MetricValue | None) -> str:
    return f"{number(value['trained']['value'])} trained" if value and "trained" in value else ""


SECTION = Section(__name__, "Quality", 70, gather)
