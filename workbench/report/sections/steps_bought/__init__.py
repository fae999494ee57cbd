"""What each step changed against the candidate that it started from, absolute and relative."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from workbench.metrics.registry import metrics
from workbench.report.data import RunData, kind_of
from workbench.report.figures.bars import steps_bought
from workbench.report.format import MISSING, change, known, number
from workbench.report.ranking.rank import Ranking
from workbench.report.sections.registry import Section


@dataclass(frozen=True)
class Row:
    """One candidate against ``previous``, as words; ``settled``: whether quality changed beyond the intervals."""

    candidate: str
    previous: str
    kind: str
    latency: str
    size: str
    quality: str
    settled: str


@dataclass(frozen=True)
class Target:
    """What the steps changed on one target; ``figure`` is an SVG."""

    target: str
    figure: str | None
    rows: Sequence[Row]


def gather(run: RunData, ranking: Ranking) -> list[Target] | None:
    """Targets on which a candidate was measured together with what it was made from."""
    unit = metrics()[ranking.quality].unit if ranking.quality else ""
    rows = {target: _rows(run, ranking, target) for target in run.targets}
    return [Target(t, steps_bought(ranking, t, unit), own) for t, own in rows.items() if own] or None


def _rows(run: RunData, ranking: Ranking, target: str) -> list[Row]:
    out = []
    quality = ranking.quality
    for row in ranking.by_step[ranking.by_step.target == target].to_dict("records"):
        scored = bool(quality) and known(row[f"delta_{quality}"])
        out.append(
            Row(
                candidate=row["candidate"],
                previous=row["previous"],
                kind=kind_of(run.profiles.get((target, row["candidate"])) or {}),
                latency=_delta(row["delta_latency_ms"], row["share_latency_ms"], " ms"),
                size=_delta(row["delta_size_bytes"] / 1e6, row["share_size_bytes"], " MB"),
                quality=_delta(row[f"delta_{quality}"], row[f"share_{quality}"], "") if scored else MISSING,
                settled=f"{'beyond' if row['quality_settled'] else 'within'} the intervals" if scored else MISSING,
            )
        )
    return out


def _delta(value: float, share: float, unit: str) -> str:
    if not known(value):
        return MISSING
    sign = "+" if value > 0 else "±" if value == 0 else ""
    return f"{sign}{number(value)}{unit} ({change(share)})" if known(share) else f"{sign}{number(value)}{unit}"


SECTION = Section(__name__, "What each step bought", 40, gather)
