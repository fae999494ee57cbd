"""What each step changed against the candidate that it started from, absolute and relative."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from workbench.report.data import RunData, kind_of
from workbench.report.figures.bars import steps_bought
from workbench.report.ranking.rank import Ranking
from workbench.report.sections.registry import Section


@dataclass(frozen=True)
class Target:
    """What the steps changed on one target; ``figure`` is an SVG, ``rows`` are those of ``Ranking.by_step``."""

    target: str
    figure: str | None
    rows: Sequence[Mapping[str, Any]]


def gather(run: RunData, ranking: Ranking) -> list[Target] | None:
    """Targets on which a candidate was measured together with what it was made from."""
    unit = ranking.metric.unit if ranking.metric else ""
    targets = []
    for target, rows in ranking.by_step.groupby("target", sort=False):
        kinds = [kind_of(run.profiles.get((target, name)) or {}) for name in rows.candidate]
        shown = rows.assign(kind=kinds).to_dict("records")
        targets.append(Target(str(target), steps_bought(ranking, str(target), unit), shown))
    return targets or None


SECTION = Section(__name__, "What each step bought", 40, gather)
