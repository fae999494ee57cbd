"""All candidates on all targets: the figure in which the choice is seen, and the table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from workbench.report.data import RunData, kind_of
from workbench.report.format import MISSING, big, known, number, span, whole
from workbench.report.ranking.rank import Ranking
from workbench.report.ranking.table import value_of
from workbench.report.sections.candidates.pareto import NARROW, pareto
from workbench.report.sections.registry import Section
from workbench.report.sections.speedup import TONES


@dataclass(frozen=True)
class Row:
    """One candidate on one target, as words; ``word`` is its gain, ``said`` its standing."""

    candidate: str
    target: str
    scheme: str
    kind: str
    word: str
    tone: str
    latency: str
    p90: str
    n: str
    speed: str
    size: str
    memory: str
    macs: str
    params: str
    quality: str
    interval: str
    chosen: bool
    pareto: bool
    said: str


@dataclass(frozen=True)
class Facts:
    """``figures``: target, SVG, and the same SVG for a phone."""

    figures: Sequence[tuple[str, str, str]]
    rows: Sequence[Row]


def gather(run: RunData, ranking: Ranking) -> Facts:
    """A figure per target that has anything to plot, and a row for every candidate and target."""
    limits = run.recipe.rank.constraints.limits()
    figures = [
        (target, wide, narrow)
        for target in run.targets
        if (wide := pareto(ranking, target, limits)) and (narrow := pareto(ranking, target, limits, NARROW))
    ]
    return Facts(figures, _rows(run, ranking))


def _rows(run: RunData, ranking: Ranking) -> list[Row]:
    firsts: dict[str, float] = {}
    out = []
    for row in ranking.table.to_dict("records"):
        name, target, latency = row["candidate"], row["target"], row["latency_ms"]
        base = firsts.setdefault(target, latency)
        speed = base / latency if known(base) and known(latency) and latency else None
        quality = value_of(run.scores, name, ranking.quality) if ranking.quality else None
        out.append(
            Row(
                candidate=name,
                target=target,
                scheme=row["scheme"],
                kind=kind_of(run.profiles.get((target, name)) or {}),
                word=row["gain"],
                tone=TONES.get(row["gain"], ""),
                latency=number(latency),
                p90=number(row["latency_p90_ms"]),
                n=whole(row["latency_n"]),
                speed=f"{number(speed, 2)}×" if speed else MISSING,
                size=number(row["size_bytes"] / 1e6),
                memory=number(row["peak_rss_bytes"] / 1e6),
                macs=big(row["macs"]),
                params=big(row["params"]),
                quality=number(quality and quality["value"]),
                interval=span(quality),
                chosen=row["chosen"],
                pareto=row["pareto"],
                said=_said(row["reason"]),
            )
        )
    return out


def _said(reason: str) -> str:
    """A reason without what the marks beside it say."""
    text = reason.removeprefix("chosen: ").removeprefix("on the Pareto front").removeprefix(", but ")
    return text.removeprefix("; ")


SECTION = Section(__name__, "Candidates", 20, gather)
