"""Candidates × targets as one table of plain numbers: what ranking, figures and CSV start from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from workbench.metrics.base import Metric
from workbench.metrics.scores import MetricValue, Scores
from workbench.profile.summary import Summary
from workbench.report.data import CandidateData
from workbench.report.format import known

if TYPE_CHECKING:
    import pandas as pd

Scored = Mapping[str, Scores]
"""Scores by candidate."""
Profiles = Mapping[tuple[str, str], Summary]
PROFILE_COLUMNS = ("latency_ms", "size_bytes", "peak_rss_bytes", "macs", "params")


def value_of(scores: Scored, candidate: str, metric: str) -> MetricValue | None:
    """A candidate's value of a metric, if it has one."""
    value = scores[candidate]["metrics"].get(metric) if candidate in scores else None
    return value if value and known(value["value"]) else None


def measured(scores: Scored, by: Mapping[str, Metric]) -> list[Metric]:
    """Every metric that some candidate has a value of, in their order."""
    return [metric for name, metric in by.items() if any(value_of(scores, c, name) for c in scores)]


def build_table(
    candidates: Sequence[CandidateData], scores: Scored, profiles: Profiles, by: Mapping[str, Metric]
) -> pd.DataFrame:
    """Rows in the order target, candidate; every candidate has a row on the first target, NaN where not measured.

    Columns: candidate, target, scheme, latency_ms (median, whole pipeline), latency_p90_ms, latency_n, size_bytes,
    peak_rss_bytes, macs, params, simulated, emulated, and per metric its value with ``_low`` and ``_high`` (95 %
    confidence interval).
    """
    import pandas as pd

    targets = list(dict.fromkeys(target for target, _ in profiles))
    columns = [metric.name for metric in measured(scores, by)]
    rows = []
    for target in targets or ["host"]:
        for candidate in candidates:
            profile = profiles.get((target, candidate.name))
            if profile is None and targets and target != targets[0]:
                continue
            rows.append(_row(candidate, target, profile or {}, scores, columns))
    return pd.DataFrame(rows)


def _row(
    candidate: CandidateData, target: str, profile: Summary, scores: Scored, columns: Sequence[str]
) -> dict[str, Any]:
    latency = (profile.get("pipeline") or {}).get("latency_ms") or {}
    row: dict[str, Any] = {"candidate": candidate.name, "target": target, "scheme": candidate.scheme}
    row |= {"latency_ms": latency.get("median"), "latency_p90_ms": latency.get("p90"), "latency_n": latency.get("n")}
    row |= {column: profile.get(column) for column in PROFILE_COLUMNS[1:]}
    row |= {kind: bool(profile.get(kind)) for kind in ("simulated", "emulated")}
    for name in columns:
        value = value_of(scores, candidate.name, name)
        low, high = (value["low"], value["high"]) if value else (None, None)
        row |= {name: value and value["value"], f"{name}_low": low, f"{name}_high": high}
    return {key: float("nan") if value is None else value for key, value in row.items()}
