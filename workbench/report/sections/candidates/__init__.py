"""All candidates on all targets: the figure in which the choice is seen, and the table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from workbench.report.data import RunData, kind_of
from workbench.report.format import known
from workbench.report.ranking.rank import Ranking
from workbench.report.ranking.table import value_of
from workbench.report.sections.candidates.pareto import NARROW, pareto
from workbench.report.sections.registry import Section
from workbench.report.sections.speedup import TONES


@dataclass(frozen=True)
class Facts:
    """``figures``: target, SVG, and the same SVG for a phone. ``rows``: those of the ranking's table, and more."""

    figures: Sequence[tuple[str, str, str]]
    rows: Sequence[Mapping[str, Any]]


def gather(run: RunData, ranking: Ranking) -> Facts:
    """A figure per target that has anything to plot, and a row for every candidate and target."""
    limits = run.recipe.rank.constraints.limits()
    figures = [
        (target, wide, narrow)
        for target in run.targets
        if (wide := pareto(ranking, target, limits)) and (narrow := pareto(ranking, target, limits, NARROW))
    ]
    return Facts(figures, _rows(run, ranking))


def _rows(run: RunData, ranking: Ranking) -> list[dict[str, Any]]:
    """``speed``: times as fast as the target's first; ``score``: quality with its interval; ``said``: its standing."""
    firsts: dict[str, float] = {}
    rows = []
    for row in ranking.table.to_dict("records"):
        name, target, latency = row["candidate"], row["target"], row["latency_ms"]
        base = firsts.setdefault(target, latency)
        shown = {
            "kind": kind_of(run.profiles.get((target, name)) or {}),
            "tone": TONES.get(row["gain"], ""),
            "speed": base / latency if known(base) and known(latency) and latency else None,
            "score": value_of(run.scores, name, ranking.quality) if ranking.quality else None,
            "said": _said(row["reason"]),
        }
        rows.append(row | shown)
    return rows


def _said(reason: str) -> str:
    """A reason without what the marks beside it say."""
    text = reason.removeprefix("chosen: ").removeprefix("on the Pareto front").removeprefix(", but ")
    return text.removeprefix("; ")


SECTION = Section(__name__, "Candidates", 20, gather)
