"""What each stage of the run was expected to take, beside what it took."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from workbench.report.data import RunData
from workbench.report.format import seconds
from workbench.report.ranking.rank import Ranking
from workbench.report.sections.registry import Section

WITHIN = 1.5
"""The factor within which a forecast is meant to be."""


@dataclass(frozen=True)
class Beside:
    """``rows``: stage, forecast and truth of seconds, their ratio, seconds of processors, forecast and truth of memory,
    and how the forecast was known.

    ``near`` of ``known`` stages took what was said, within the factor; those below a second count as near.
    """

    rows: Sequence[Sequence[str]]
    near: int
    known: int
    whole: str


def gather(run: RunData, _ranking: Ranking) -> Beside | None:
    """All stages whose truth is known."""
    if not run.stages:
        return None
    known = [row for row in run.stages if row["ratio"] is not None and not row["resumed"]]
    near = sum(1 / WITHIN <= row["ratio"] <= WITHIN or max(row["took_s"], row["forecast_s"]) < 1 for row in known)
    took, said = (sum(row[key] for row in known) for key in ("took_s", "forecast_s"))
    whole = f"{seconds(took)} where {seconds(said)} were said" if known else ""
    return Beside([_cells(row) for row in run.stages], near, len(known), whole)


def _cells(row: Mapping[str, Any]) -> list[str]:
    ratio = "–" if row["ratio"] is None else f"{row['ratio']:.2f}"
    resumed = ", only what was left after a stop" if row["resumed"] else ""
    return [
        f"{row['stage']} {row['name']}{resumed}",
        seconds(row["forecast_s"]),
        seconds(row["took_s"]),
        ratio,
        seconds(row.get("cpu_s")),
        _memory(row["forecast_bytes"]),
        _memory(row["peak_bytes"]),
        row["source"],
    ]


def _memory(count: int | None) -> str:
    return "–" if not count else f"{count / 1e9:.2f} GB"


SECTION = Section(__name__, "What was expected, and what it took", 155, gather, link="Forecast")
