"""Which candidate to ship: the Pareto front, the constraints, the choice, and a reason in words for every row."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from workbench.errors import InputError
from workbench.metrics.base import Metric
from workbench.metrics.registry import metrics
from workbench.report.data import CandidateData
from workbench.report.format import join, known, number
from workbench.report.ranking.choose import Place, choose, place
from workbench.report.ranking.constraints import Check, Limits
from workbench.report.ranking.gain import Gain, gains
from workbench.report.ranking.stability import Stability, stability
from workbench.report.ranking.standing import Ranker, Row, overlap
from workbench.report.ranking.table import Profiles, Scored, build_table, measured

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
    decision: str
    nearest: tuple[str, Check] | None
    quality: str | None
    quality_label: str
    by_step: pd.DataFrame
    deciding: tuple[str, ...] = ()
    """Targets among which the choice is made; ``target`` is that of the chosen candidate."""
    gains: Mapping[tuple[str, str], Gain] = field(default_factory=dict)
    """By target and candidate; the untouched model, and what was not profiled, have none."""
    again: Callable[[], Stability] | None = None
    """Makes the choice anew on resamples; None where it couldn't be another one."""
    metric: Metric | None = None
    """The one on the quality axis."""

    @cached_property
    def stability(self) -> Stability | None:
        """How often the choice would be the same."""
        return self.again() if self.again else None

    @property
    def subject(self) -> str:
        """The candidate that the page is about: the choice, else the nearest to being one, else the first."""
        return self.chosen or (self.nearest[0] if self.nearest else self.table["candidate"].iloc[0])


def rank(
    candidates: Sequence[CandidateData],
    scores: Scored,
    profiles: Profiles,
    config: Rank,
    by: Mapping[str, Metric] | None = None,
) -> Ranking:
    """Ranks the candidates and chooses one on the recipe's ``rank.targets``.

    Without these the first target that isn't emulated decides (the first, where all are).

    Pareto-optimal within a target: no other candidate is at least as good in quality, pipeline latency and size and
    better in one of them (values as measured; intervals don't count here, the reasons speak of them).

    ``by``: the recipe's metrics; default: those that are always measured. Where the recipe ranks by nothing, the
    first that was measured decides.

    Raises:
        InputError: nothing was measured on one of ``rank.targets``.
    """
    by = metrics() if by is None else by
    there = measured(scores, by)
    aim = config.maximize or next((metric.name for metric in there if metric.maximizable), "speed")
    quality = by.get(aim) or next((metric for metric in there if metric.maximizable), None)
    table = build_table(candidates, scores, profiles, by)
    rows = table.to_dict("records")
    targets = _deciding(rows, profiles, config)
    depths = {candidate.name: len(candidate.lineage) for candidate in candidates}
    asked = config.model_copy(update={"maximize": aim})
    ranker = Ranker(rows[0]["candidate"], asked, quality, scores, profiles, depths)
    limits = Limits.of(config.constraints, by)
    choice = choose(ranker, rows, targets, limits)
    best, checks = choice.best, choice.checks
    chosen = best["candidate"] if best else None
    nearest = None if best else _nearest(checks)
    target = best["target"] if best else nearest[0][1] if nearest else targets[0]

    table["pareto"] = [ranker.measured(r) and not ranker.dominators(r, rows) for r in rows]
    table["chosen"] = [best is not None and place(r) == place(best) for r in rows]
    by_pair = gains(candidates, profiles)
    pairs = zip(table["target"], table["candidate"], strict=True)
    table["gain"] = [by_pair[pair].word if pair in by_pair else "" for pair in pairs]
    table["reason"] = [
        ranker.reason(r, rows, checks[place(r)], best, choice.able, choice.equal)
        if r["target"] in targets
        else ranker.standing(r, rows) + (f"; chosen on {target}" if r["candidate"] == chosen else "")
        for r in rows
    ]
    decision = (
        ranker.decision(best, choice.able, choice.equal)
        if best
        else _barred(choice.fitting) or _none_fits(nearest, checks, limits)
    )
    decision = " ".join([*_unmeasured(scores, aim, limits, by), decision])
    missed = (nearest[0][0], nearest[1]) if nearest else None
    axis = quality.name if quality else None
    steps = by_step(table, axis, {c.name: c.parent for c in candidates})
    anew = partial(stability, ranker, rows, targets, limits, scores, profiles)
    again = anew if best and len(choice.able) > 1 else None
    return Ranking(
        table, target, chosen, decision, missed, axis, ranker.label, steps, tuple(targets), by_pair, again, quality
    )


def _deciding(rows: Sequence[Row], profiles: Profiles, config: Rank) -> list[str]:
    there = list(dict.fromkeys(row["target"] for row in rows))
    if config.targets:
        missing = [target for target in config.targets if target not in there]
        if missing:
            raise InputError(f"rank.targets: nothing was measured on {join(missing)}", hint=f"there are {join(there)}")
        return list(config.targets)
    emulated = {target for (target, _), profile in profiles.items() if profile.get("emulated")}
    return [next((target for target in there if target not in emulated), there[0])]


def by_step(table: pd.DataFrame, quality: str | None, parents: Mapping[str, str | None]) -> pd.DataFrame:
    """What each step bought: per target, every candidate against the one that it was made from.

    Columns: candidate, previous, target, and for latency_ms, size_bytes and ``quality``: ``delta_X`` (absolute) and
    ``share_X`` (relative to the previous); ``quality_settled``: the 95 % intervals of the two don't overlap.
    """
    import pandas as pd

    columns = ["latency_ms", "size_bytes", *([quality] if quality else [])]
    out: list[dict[str, Any]] = []
    for _target, group in table.groupby("target", sort=False):
        rows = group.to_dict("records")
        of_name = {row["candidate"]: row for row in rows if known(row["latency_ms"])}
        made = [
            (of_name[parent], row) for row in of_name.values() if (parent := parents.get(row["candidate"])) in of_name
        ]
        for before, after in made:
            row = {"candidate": after["candidate"], "previous": before["candidate"], "target": after["target"]}
            for column in columns:
                row[f"delta_{column}"] = after[column] - before[column]
                row[f"share_{column}"] = after[column] / before[column] - 1 if before[column] else math.nan
            row["quality_settled"] = quality is not None and not overlap(before, after, quality)
            out.append(row)
    changes = [f"{p}_{c}" for c in columns for p in ("delta", "share")]
    return pd.DataFrame(out, columns=["candidate", "previous", "target", *changes, "quality_settled"])


def _unmeasured(scores: Scored, aim: str, limits: Limits, by: Mapping[str, Metric]) -> list[str]:
    """A sentence for each metric that the recipe asks for and no candidate has; then nothing can be chosen by it."""
    available = [metric.name for metric in measured(scores, by)]
    asked = {"rank.maximize": by[aim]} if aim in by else {}
    asked |= {f"rank.constraints.{key}": limit.metric for key, limit in limits.metrics.items()}
    return [
        f"{key}: {metric.name} was not measured for this model (it needs {metric.needed}; measured: "
        f"{', '.join(available) or 'no quality at all'})."
        for key, metric in asked.items()
        if metric.name not in available and not (metric.of_reference and len(scores) == 1)
    ]


def _nearest(checks: Mapping[Place, Sequence[Check]]) -> tuple[Place, Check] | None:
    """The candidate and target whose worst miss is the smallest, with that constraint."""
    worst = {
        name: max(missed, key=lambda c: c.excess)
        for name, all_ in checks.items()
        if (missed := [c for c in all_ if not c.met])
    }
    return min(worst.items(), key=lambda item: item[1].excess, default=None)


def _barred(fitting: Sequence[Row]) -> str:
    """What is said where all within the limits are barred from winning by speed; "" where there are none."""
    names = join(list(dict.fromkeys(row["candidate"] for row in fitting)))
    kinds = [kind for kind in ("simulated", "emulated") if any(row.get(kind) for row in fitting)]
    if not fitting:
        return ""
    return (
        f"No candidate can be chosen by its speed: the times of {names} are {join(kinds)}. "
        f"rank.allow: [{', '.join(kinds)}] would let them win; smallness and quality need no times."
    )


def _none_fits(nearest: tuple[Place, Check] | None, checks: Mapping[Place, Sequence[Check]], limits: Limits) -> str:
    if nearest is None or math.isinf(nearest[1].excess):
        return "No candidate could be chosen: none has all that the constraints and the ranking need measured."
    place, check = nearest
    text = f"No candidate is within all limits. {check.key} is nearest to being met, by {place[0]}: {check.words}."
    missed = [c for c in checks[place] if not c.met]
    if len(missed) == 1 and check.needed is not None:
        return f"{text} {check.key}: {_loosened(check)} instead of {limits.values[check.key]:g} would let it in."
    return f"{text} It also misses {join([c.key for c in missed if c is not check])}." if len(missed) > 1 else text


def _loosened(check: Check) -> str:
    """The constraint at which the candidate would fit, rounded to the loose side at three significant digits."""
    value = check.needed or 0.0
    unit = 10 ** (math.floor(math.log10(value)) - 2) if value > 0 else 1e-3
    return number((math.floor if check.at_least else math.ceil)(value / unit) * unit)
