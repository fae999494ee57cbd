"""What stands at the top of the page: the choice in a sentence, and what was asked for."""

from __future__ import annotations

from workbench.metrics.registry import limits, metrics
from workbench.report.data import RunData
from workbench.report.format import capital, join, known, number, percent
from workbench.report.ranking.rank import Ranking


def summary(run: RunData, ranking: Ranking) -> str:
    """One sentence: what the choice costs and saves against the first candidate."""
    name = ranking.chosen
    if name is None or name == run.first:
        return ""
    rows = {r["candidate"]: r for r in ranking.table[ranking.table.target == ranking.target].to_dict("records")}
    row, base = rows[name], rows[run.first]
    parts = []
    for column, better, worse in (("latency_ms", "faster", "slower"), ("size_bytes", "smaller", "larger")):
        if known(row[column]) and known(base[column]) and row[column] and base[column]:
            ratio = base[column] / row[column]
            parts.append(f"{number(max(ratio, 1 / ratio), 2)}× {better if ratio >= 1 else worse}")
    text = f"{join(parts)} than {run.first}" if parts else ""
    quality = ranking.quality
    if quality and known(row.get(quality)) and known(base.get(quality)) and base[quality] > 0:
        text += f", with {percent(row[quality] / base[quality])} of its {ranking.quality_label}"
    return f"{capital(text)}." if text else ""


def asked(run: RunData) -> str:
    """What the recipe asked for."""
    units = {"latency_ms": "latency ≤ {} ms", "size_mb": "size ≤ {} MB", "peak_rss_mb": "peak memory ≤ {} MB"}
    parts = []
    for key, value in run.recipe.rank.constraints.limits().items():
        if value is None:
            continue
        kind, _, target = key.partition("@")
        if kind in units:
            parts.append(units[kind].format(f"{value:g}") + (f" on {target}" if target else ""))
            continue
        metric, limit = limits()[kind]
        least = f"≥ {metric.with_unit(f'{value:g}')}"
        most = f"at most {percent(value)} below {run.first}"
        parts.append(f"{limit.what} {most if limit.relative else least}")
    aim = run.recipe.rank.maximize
    best = metrics()[aim].label if aim in metrics() else aim
    return f"Asked for: best {best}" + (f" with {join(parts)}." if parts else ", no limits.")
