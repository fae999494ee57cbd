"""The choice itself: which rows are within the constraints, and which of them is the best."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from workbench.report.format import known
from workbench.report.ranking.constraints import Check, Limits, check_limits
from workbench.report.ranking.standing import Ranker, Row

Place = tuple[str, str]
"""Candidate and target."""


@dataclass(frozen=True)
class Choice:
    """``checks``: the constraints of every deciding row; ``fitting``: the rows that are within all of them; ``able``:
    those of them that may win; ``best``, and the rows that are ``equal`` to it beyond the noise."""

    checks: Mapping[Place, Sequence[Check]]
    fitting: Sequence[Row]
    able: Sequence[Row]
    best: Row | None
    equal: Sequence[Row]


def place(row: Row) -> Place:
    """Where a row stands."""
    return row["candidate"], row["target"]


def choose(ranker: Ranker, rows: Sequence[Row], targets: Sequence[str], limits: Limits) -> Choice:
    """Chooses among the rows of ``targets``; the first of all ``rows`` is the recipe's first candidate."""
    deciding = [row for row in rows if row["target"] in targets]
    of = {place(row): row for row in rows}
    checks = {place(row): check_limits(row, rows[0], limits, of) for row in deciding}
    fitting = [r for r in deciding if known(r["latency_ms"]) and all(c.met for c in checks[place(r)])]
    fitting = [r for r in fitting if not math.isnan(ranker.merit(r))]
    able = [row for row in fitting if not ranker.barred(row)]
    return Choice(checks, fitting, able, *ranker.best(able))
