"""Where the numbers come from: machine, recipe, seed, times and the candidates' keys."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from workbench.report.data import RunData
from workbench.report.format import known, seconds
from workbench.report.ranking.rank import Ranking
from workbench.report.sections.registry import Section


@dataclass(frozen=True)
class Facts:
    """``timings``: name and time of each part of the run; ``total``: their sum."""

    timings: Sequence[tuple[str, str]]
    total: str


def gather(run: RunData, ranking: Ranking) -> Facts:
    """What the run's own fields don't say as they are."""
    timings = [(name, seconds(value)) for name, value in run.timings.items()]
    return Facts(timings, seconds(sum(value for value in run.timings.values() if known(value))))


SECTION = Section(__name__, "Environment and provenance", 160, gather, link="Environment")
