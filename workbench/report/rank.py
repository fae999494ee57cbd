"""Which candidate to ship: the Pareto front, the constraints, the choice, and a reason in words for every row."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workbench.errors import InputError
from workbench.report.data import CandidateData
from workbench.report.judge import PERFECT, QUALITIES, Judge, overlap
from workbench.report.limits import Check, check_limits
from workbench.report.table import Profiles, Scores, build_table, metrics_of
from workbench.report.words import join, known, number

if TYPE_CHECKING:
    import pandas as pd

    from workbench.recipe.schema import Rank


@dataclass(frozen=True)
class Ranking:
    """Candidates × targets with marks and reasons.

    ``chosen`` is None when no candidate is within all constraints; ``nearest`` then holds the candidate that misses
    by the least and the constraint that it misses most. ``quality`` is the metric on the Pareto front's quality axis
    (None: nothing was scored). ``by_step`` has a row per candidate × target with what changed against the one before.
    """

    table: pd.DataFrame
    target: str
    chosen: str | None
    verdict: str
    nearest: tuple[str, Check] | None
    quality: str | None
    quality_label: str
    by_step: pd.DataFrame


def rank(candidates: Sequence[CandidateData], scores: Scores, profiles: Profiles, config: Rank) -> Ranking:
    """Ranks the candidates; the first target in ``profiles`` decides the choice.

    Pareto-optimal within a target: no other candidate is at least as good in quality, pipeline latency and size and
    better in one of them (values as measured; intervals don't count here, the reasons speak of them).

    Raises:
        InputError: the recipe maximizes or constrains a metric that was measured for no candidate.
    """
    _check_metrics(scores, config)
    quality = (
        config.maximize
        if config.maximize in QUALITIES
        else next((q for q in QUALITIES if q in metrics_of(scores)), None)
    )
    table = build_table(candidates, scores, profiles)
    rows = table.to_dict("records")
    target = rows[0]["target"]
    judge = Judge(rows[0]["candidate"], config, quality, scores)
    limits = config.constraints.model_dump()
    deciding = [row for row in rows if row["target"] == target]
    checks = {row["candidate"]: check_limits(row, deciding[0], limits) for row in deciding}
    fitting = [r for r in deciding if known(r["latency_ms"]) and all(c.met for c in checks[r["candidate"]])]
    fitting = [r for r in fitting if not math.isnan(judge.merit(r))]
    best = max(fitting, key=lambda r: (judge.merit(r), -r["latency_ms"]), default=None)
    chosen = best["candidate"] if best else None

    table["pareto"] = [judge.measured(r) and not judge.dominators(r, rows) for r in rows]
    table["chosen"] = [r["candidate"] == chosen and r["target"] == target for r in rows]
    table["reason"] = [
        judge.reason(r, rows, checks[r["candidate"]], best, fitting)
        if r["target"] == target
        else judge.standing(r, rows) + (f"; chosen on {target}" if r["candidate"] == chosen else "")
        for r in rows
    ]
    nearest = None if best else _nearest(checks)
    verdict = judge.verdict(best, fitting) if best else _none_fits(nearest, checks, limits)
    return Ranking(table, target, chosen, verdict, nearest, quality, judge.label, by_step(table, quality))


def by_step(table: pd.DataFrame, quality: str | None) -> pd.DataFrame:
    """What each step bought: per target, every candidate against the one before it in the chain.

    Columns: candidate, previous, target, and for latency_ms, size_bytes and ``quality``: ``delta_X`` (absolute) and
    ``share_X`` (relative to the previous); ``quality_settled``: the 95 % intervals of the two don't overlap.
    """
    import pandas as pd

    columns = ["latency_ms", "size_bytes", *([quality] if quality else [])]
    out: list[dict[str, Any]] = []
    for _target, group in table.groupby("target", sort=False):
        rows = group.to_dict("records")
        for before, after in itertools.pairwise(rows):
            row = {"candidate": after["candidate"], "previous": before["candidate"], "target": after["target"]}
            for column in columns:
                row[f"delta_{column}"] = after[column] - before[column]
                row[f"share_{column}"] = after[column] / before[column] - 1 if before[column] else math.nan
            row["quality_settled"] = quality is not None and not overlap(before, after, quality)
            out.append(row)
    names = [
        "candidate",
        "previous",
        "target",
        *(f"{p}_{c}" for c in columns for p in ("delta", "share")),
        "quality_settled",
    ]
    return pd.DataFrame(out, columns=names)


def _check_metrics(scores: Scores, config: Rank) -> None:
    """Raises InputError when the recipe asks for what was measured for no candidate."""
    available = list(metrics_of(scores))
    wanted = {"rank.maximize": config.maximize} if config.maximize in QUALITIES else {}
    limits = config.constraints
    wanted |= {"rank.constraints.alignment_drop": "alignment"} if limits.alignment_drop is not None else {}
    wanted |= {"rank.constraints.psnr_db": "psnr_db"} if limits.psnr_db is not None else {}
    for key, metric in wanted.items():
        if metric not in available and not (metric in PERFECT and len(scores) == 1):
            usable = [*(q for q in QUALITIES if q in available), "speed", "smallness"]
            raise InputError(
                f"{key}: {metric} was not measured for this model (alignment and retrieval need a scorer; measured: "
                f"{', '.join(available) or 'no quality at all'})",
                hint=f"rank.maximize can be {join(usable)} here",
            )


def _nearest(checks: Mapping[str, Sequence[Check]]) -> tuple[str, Check] | None:
    """The candidate whose worst miss is the smallest, with that constraint."""
    worst = {
        name: max(missed, key=lambda c: c.excess)
        for name, all_ in checks.items()
        if (missed := [c for c in all_ if not c.met])
    }
    return min(worst.items(), key=lambda item: item[1].excess, default=None)


def _none_fits(
    nearest: tuple[str, Check] | None, checks: Mapping[str, Sequence[Check]], limits: Mapping[str, float | None]
) -> str:
    if nearest is None or math.isinf(nearest[1].excess):
        return "No candidate could be chosen: none has all that the constraints and the ranking need measured."
    name, check = nearest
    text = f"No candidate is within all limits. {check.key} is nearest to being met, by {name}: {check.words}."
    missed = [c for c in checks[name] if not c.met]
    if len(missed) == 1 and check.needed is not None:
        return f"{text} {check.key}: {_loosened(check)} instead of {limits[check.key]:g} would let it in."
    return f"{text} It also misses {join([c.key for c in missed if c is not check])}." if len(missed) > 1 else text


def _loosened(check: Check) -> str:
    """The constraint at which the candidate would fit, rounded to the loose side at three significant digits."""
    value = check.needed or 0.0
    unit = 10 ** (math.floor(math.log10(value)) - 2) if value > 0 else 1e-3
    rounded = math.floor(value / unit) * unit if check.key == "psnr_db" else math.ceil(value / unit) * unit
    return number(rounded)
