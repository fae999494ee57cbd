"""How to read the page: what its words mean."""

from __future__ import annotations

from workbench.report.data import RunData
from workbench.report.ranking.rank import Ranking
from workbench.report.sections.registry import Section
from workbench.runtimes.base import all_described


def gather(run: RunData, ranking: Ranking) -> list[str]:
    """Which runtime each target on this machine is."""
    return [f"{one.target} is {one.title}" for one in all_described() if one.target in run.targets]


SECTION = Section(__name__, "How to read this page", 170, gather)
