"""The headline figures of the candidate that the page is about, each with its spread, n and change to the first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from workbench.metrics.base import Metric
from workbench.metrics.scores import MetricValue
from workbench.models.families import component_label
from workbench.report.data import RunData, kind_of
from workbench.report.format import MISSING, big, capital, change, known, megabytes, milliseconds, number, percent, span
from workbench.report.per_picture import denoiser_of, picture_macs, told
from workbench.report.ranking.rank import Ranking
from workbench.report.ranking.table import value_of
from workbench.report.sections.registry import Section


@dataclass(frozen=True)
class Tile:
    """One figure; ``kind`` is how it came about, ``versus`` its change against the first candidate."""

    label: str
    value: str
    detail: str
    how: str = ""
    kind: str = "measured"
    versus: str = ""


def gather(run: RunData, ranking: Ranking) -> list[Tile]:
    """Tiles of the subject on the deciding target."""
    rows = {r["candidate"]: r for r in ranking.table[ranking.table.target == ranking.target].to_dict("records")}
    name = ranking.subject
    row, first = rows[name], rows[run.first]
    profile = run.profiles.get((ranking.target, name)) or {}

    def versus(after: Any, before: Any) -> str:
        return change(after / before - 1) if name != run.first and known(after) and known(before) and before else ""

    def moved(column: str) -> str:
        return versus(row.get(column), first.get(column))

    pipeline = profile.get("pipeline") or {}
    latency = pipeline.get("latency_ms") or {}
    how = told(profile) or "whole pipeline"
    spread = f"median; p90 {milliseconds(latency.get('p90'))}, n = {latency.get('n', MISSING)}"
    kind = kind_of(profile)
    memory = megabytes(row["peak_rss_bytes"])
    out = [
        Tile("Pipeline latency", milliseconds(row["latency_ms"]), spread, how, kind, moved("latency_ms")),
        Tile("Size", megabytes(row["size_bytes"]), "all components on disk", versus=moved("size_bytes")),
        Tile("Peak memory", memory, "resident set of the process", kind=kind, versus=moved("peak_rss_bytes")),
    ]
    for metric, value in _first_metrics(run, ranking):
        shown, detail = metric.with_unit(number(value["value"])), f"95 % CI {span(value)}, n = {value['n']}"
        out.append(Tile(capital(metric.label), shown, detail, versus=moved(metric.name)))
    whole_picture, of_first = picture_macs(profile), picture_macs(run.profiles.get((ranking.target, run.first)) or {})
    if whole_picture:
        macs, in_int8 = whole_picture
        detail = f"for one picture; {percent(in_int8 / macs)} in int8" if in_int8 else "for one picture"
        denoiser = denoiser_of(profile)
        own = (profile.get("components") or {}).get(denoiser) or {}
        how = f"{big(own.get('macs'))} per {component_label(denoiser)} pass" if own else ""
        moved_by = versus(macs, of_first[0] if of_first else None)
        out.append(Tile("Multiply-accumulates", big(macs), detail, how, "counted", moved_by))
    return out


def _first_metrics(run: RunData, ranking: Ranking) -> list[tuple[Metric, MetricValue]]:
    """The subject's two metrics to see first: the one that it is ranked by, then those of each picture."""
    known = run.recipe.metrics
    each = [name for name, metric in known.items() if metric.per_picture]
    order = dict.fromkeys([ranking.quality, *each] if ranking.quality else each)
    return [(known[m], value) for m in order if (value := value_of(run.scores, ranking.subject, m))][:2]


SECTION = Section(__name__, "{ranking.subject} on {ranking.target}", 10, gather, link="")
