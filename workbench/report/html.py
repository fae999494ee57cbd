"""The report: one HTML file that needs nothing else, and one CSV."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from workbench.report import choice
from workbench.report.data import RunData
from workbench.report.page import fill
from workbench.report.ranking.rank import Ranking, rank
from workbench.report.sections.registry import Section, sections
from workbench.store.files import write_atomic
from workbench.store.tables import write_csv

LIMIT_BYTES = 2_000_000
"""A page that can be attached to an issue; a section that can be cut gets what the rest leaves of it."""


def write_report(run: RunData, out: Path) -> Path:
    """Ranks the run's candidates and writes ``out/NAME.html`` and ``out/NAME.csv``; the page's path.

    The same run gives the same bytes.

    Raises:
        InputError: the recipe ranks by something that was not measured.
    """
    ranking = rank(run.candidates, run.scores, run.profiles, run.recipe.rank)
    page = out / f"{run.recipe.name}.html"
    write_csv(page.with_suffix(".csv"), ranking.table)
    write_atomic(page, render(run, ranking))
    return page


def render(run: RunData, ranking: Ranking) -> str:
    """The page as a string."""
    shown = [(section, facts) for section in sections() if (facts := section.gather(run, ranking)) is not None]
    room = LIMIT_BYTES - len(_page(run, ranking, [each for each in shown if not each[0].fit]).encode()) - 1000
    cut = [(section, section.fit(facts, room) if section.fit else facts) for section, facts in shown]
    return _page(run, ranking, [(section, facts) for section, facts in cut if facts is not None])


def _page(run: RunData, ranking: Ranking, shown: Sequence[tuple[Section, Any]]) -> str:
    texts = {"summary": choice.summary(run, ranking), "asked": choice.asked(run)}
    return fill("report.html", run=run, ranking=ranking, shown=shown, **texts)
