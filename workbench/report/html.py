"""The report: one HTML file that needs nothing else, and one CSV."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from workbench.comparing.ratio import FASTER, SAME
from workbench.metrics.base import Bound
from workbench.report.data import RunData
from workbench.report.format import capital, join, known, number, percent
from workbench.report.page import fill
from workbench.report.ranking.rank import Ranking, rank
from workbench.report.ranking.speedup import speed
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
    ranking = ranked(run)
    page = out / f"{run.recipe.name}.html"
    write_csv(page.with_suffix(".csv"), ranking.table)
    write_atomic(page, render(run, ranking))
    return page


def ranked(run: RunData) -> Ranking:
    """The ranking of a run's candidates by what its recipe asks for.

    Raises:
        InputError: the recipe ranks by something that was not measured.
    """
    return rank(run.candidates, run.scores, run.profiles, run.recipe.rank, run.recipe.metrics)


def render(run: RunData, ranking: Ranking) -> str:
    """The page as a string."""
    shown = [(section, facts) for section in sections() if (facts := section.gather(run, ranking)) is not None]
    room = LIMIT_BYTES - len(_page(run, ranking, [each for each in shown if not each[0].fit]).encode()) - 1000
    cut = [(section, section.fit(facts, room) if section.fit else facts) for section, facts in shown]
    return _page(run, ranking, [(section, facts) for section, facts in cut if facts is not None])


def _page(run: RunData, ranking: Ranking, shown: Sequence[tuple[Section, Any]]) -> str:
    texts = {"summary": _summary(run, ranking), "asked": _asked(run, ranking)}
    return fill("report.html", run=run, ranking=ranking, shown=shown, **texts)


def _summary(run: RunData, ranking: Ranking) -> str:
    """One sentence: what the choice costs and saves against the first candidate."""
    name = ranking.chosen
    if name is None or name == run.first:
        return ""
    rows = {r["candidate"]: r for r in ranking.table[ranking.table.target == ranking.target].to_dict("records")}
    row, base = rows[name], rows[run.first]
    parts = [_speed(run, ranking, name)]
    if known(row["size_bytes"]) and known(base["size_bytes"]) and row["size_bytes"] and base["size_bytes"]:
        ratio = base["size_bytes"] / row["size_bytes"]
        parts.append(f"{number(max(ratio, 1 / ratio), 2)}× {'smaller' if ratio >= 1 else 'larger'}")
    parts = [part for part in parts if part]
    text = f"{join(parts)} than {run.first}" if parts else ""
    quality = ranking.quality
    if quality and known(row.get(quality)):
        if known(base.get(quality)) and base[quality] > 0:
            text += f", with {percent(row[quality] / base[quality])} of its {ranking.quality_label}"
        elif run.recipe.metrics[quality].of_reference:
            shown = run.recipe.metrics[quality].with_unit(number(row[quality]))
            text += f", at a {ranking.quality_label} of {shown}"
    return f"{capital(text)}." if text else ""


def _speed(run: RunData, ranking: Ranking, name: str) -> str:
    """How many times as fast as the first candidate with the interval, where the noise leaves a difference."""
    before, after = (run.profiles.get((ranking.target, each)) for each in (run.first, name))
    ratio = speed(before, after) if before and after else None
    if ratio is None or ratio.outcome() == SAME:
        return ""
    faster = ratio.outcome() == FASTER
    ends = (1 / ratio.high, 1 / ratio.low) if faster else (ratio.low, ratio.high)
    times = 1 / ratio.value if faster else ratio.value
    said = f"{percent(ratio.level)} interval" if ratio.level > 0.9 else "by quartiles"
    return f"{number(times, 2)}× {'faster' if faster else 'slower'} ({number(ends[0])} to {number(ends[1])}, {said})"


def _asked(run: RunData, ranking: Ranking) -> str:
    """What the recipe asked for."""
    units = {"latency_ms": "latency ≤ {} ms", "size_mb": "size ≤ {} MB", "peak_rss_mb": "peak memory ≤ {} MB"}
    parts = []
    on_metrics = run.recipe.limited()
    for key, value in run.recipe.rank.constraints.limits().items():
        if value is None:
            continue
        kind, _, target = key.partition("@")
        if kind in units:
            parts.append(units[kind].format(f"{value:g}") + (f" on {target}" if target else ""))
            continue
        metric, limit = on_metrics[key].metric, on_metrics[key]
        end = f"{'≤' if limit.bound is Bound.MAX else '≥'} {metric.with_unit(f'{value:g}')}"
        parts.append(f"{metric.label} {f'at most {percent(value)} below {run.first}' if limit.relative else end}")
    limited = f" with {join(parts)}" if parts else ", no limits"
    aim = run.recipe.rank.maximize
    if aim is None:
        return f"The recipe names nothing to rank by; {ranking.quality_label or 'speed'} is taken{limited}."
    best = run.recipe.metrics[aim].label if aim in run.recipe.metrics else aim
    return f"Asked for: best {best}{limited}."
