"""Scores of the pictures: all metrics × candidates, candidates picture by picture, and the U-Net's output."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from workbench.report.data import RunData
from workbench.report.figures.bars import sqnr
from workbench.report.format import MISSING, capital, known, number, span
from workbench.report.ranking.rank import Ranking
from workbench.report.ranking.table import label_of, metric_of, metrics_of
from workbench.report.sections.quality import paired
from workbench.report.sections.registry import Section

WIDE = 6
"""Candidates beyond which the table of scores has a row, not a column, for each."""


@dataclass(frozen=True)
class Metric:
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

    metrics: Sequence[Metric]
    real: bool
    tall: bool
    paired: Sequence[paired.Row]
    figure: str | None


def gather(run: RunData, ranking: Ranking) -> Facts:
    """The table's metrics in the order in which they were scored; ``figure``: SQNR by timestep, as SVG."""
    metrics, names = _metrics(run), [c.name for c in run.candidates]
    real, tall = any(metric.real for metric in metrics), len(names) > WIDE
    return Facts(metrics, real, tall, paired.rows(run), sqnr(run.scores, names))


def _metrics(run: RunData) -> list[Metric]:
    arrows = {"high": "higher is better", "low": "lower is better", "one": "1 is best"}
    reference = next((s["reference"] for s in run.scores.values() if s.get("reference")), None)
    found = []
    for metric, sample in metrics_of(run.scores).items():
        entries = {c.name: metric_of(run.scores, c.name, metric) for c in run.candidates}
        cells = [
            (number(e.get("value")) if e else "reference" if name == reference else MISSING, span(e))
            for name, e in entries.items()
        ]
        ns = sorted({e["n"] for e in entries.values() if known(e.get("n"))})
        real = next((e["real"] for e in entries.values() if known(e.get("real"))), None)
        found.append(
            Metric(
                label=capital(label_of(run.scores, metric)),
                unit=sample.get("unit") or "",
                better=arrows.get(sample.get("better", ""), ""),
                n=", ".join(map(str, ns)) or MISSING,
                real=number(real) if real is not None else "",
                cells=cells,
            )
        )
    return found


SECTION = Section(__name__, "Quality", 70, gather)
