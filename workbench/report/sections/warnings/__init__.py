"""What may be wrong with the numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from workbench.report.data import RunData
from workbench.report.ranking.rank import Ranking
from workbench.report.sections.registry import Section


@dataclass(frozen=True)
class Facts:
    """The run's warnings, and how many these are."""

    texts: Sequence[str]
    count: int


def gather(run: RunData, ranking: Ranking) -> Facts:
    """Warnings as they were given; that there are none is said, too."""
    return Facts(run.warnings, len(run.warnings))


SECTION = Section(__name__, "Warnings", 120, gather, link="Warnings ({facts.count})")
