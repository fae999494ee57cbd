"""Candidates × targets as one table of plain numbers: what ranking, figures and CSV start from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from workbench.report.data import CandidateData
from workbench.report.format import known

if TYPE_CHECKING:
    import pandas as pd

Scores = Mapping[str, Mapping[str, Any]]
Profiles = Mapping[tuple[str, str], Mapping[str, Any]]
PROFILE_COLUMNS = ("latency_ms", "size_bytes", "peak_rss_bytes", "macs", "params")


def metric_of(scores: Scores, candidate: str, metric: str) -> Mapping[str, Any]:
    """A metric's entry (value, low, high, n, label, unit, better), empty where there is none."""
    entry = (scores.get(candidate) or {}).get("metrics", {}).get(metric)
    return entry if entry and known(entry.get("value")) else {}


def metrics_of(scores: Scores) -> dict[str, Mapping[str, Any]]:
    """Every metric that some candidate has, in the order in which they come, with one of its entries."""
    found: dict[str, Mapping[str, Any]] = {}
    for candidate, score in scores.items():
        for metric in score.get("metrics", {}):
            entry = metric_of(scores, candidate, metric)
            if entry:
                found.setdefault(metric, entry)
    return found


def label_of(scores: Scores, metric: str) -> str:
    """A metric's name for readers."""
    named = {"psnr_db": "PSNR", "ssim": "SSIM", "retrieval_at_1": "retrieval@1", "unet_sqnr_db": "U-Net SQNR"}
    default = named.get(metric, metric.replace("_", " "))
    return next((e["label"] for c in scores if (e := metric_of(scores, c, metric)) and e.get("label")), default)


def build_table(candidates: Sequence[CandidateData], scores: Scores, profiles: Profiles) -> pd.DataFrame:
    """Rows in the order target, candidate; every candidate has a row on the first target, NaN where not measured.

    Columns: candidate, target, scheme, latency_ms (median, whole pipeline), latency_p90_ms, latency_n, size_bytes,
    peak_rss_bytes, macs, params, simulated, emulated, and per metric its value with ``_low`` and ``_high`` (95 %
    confidence interval).
    """
    import pandas as pd

    targets = list(dict.fromkeys(target for target, _ in profiles))
    metrics = list(metrics_of(scores))
    rows = []
    for target in targets or ["host"]:
        for candidate in candidates:
            profile = profiles.get((target, candidate.name))
            if profile is None and targets and target != targets[0]:
                continue
            rows.append(_row(candidate, target, profile or {}, scores, metrics))
    return pd.DataFrame(rows)


def _row(
    candidate: CandidateData, target: str, profile: Mapping[str, Any], scores: Scores, metrics: Sequence[str]
) -> dict[str, Any]:
    latency = (profile.get("pipeline") or {}).get("latency_ms") or {}
    row: dict[str, Any] = {"candidate": candidate.name, "target": target, "scheme": candidate.scheme}
    row |= {"latency_ms": latency.get("median"), "latency_p90_ms": latency.get("p90"), "latency_n": latency.get("n")}
    row |= {column: profile.get(column) for column in PROFILE_COLUMNS[1:]}
    row |= {kind: bool(profile.get(kind)) for kind in ("simulated", "emulated")}
    for metric in metrics:
        entry = metric_of(scores, candidate.name, metric)
        row |= {metric: entry.get("value"), f"{metric}_low": entry.get("low"), f"{metric}_high": entry.get("high")}
    return {key: float("nan") if value is None else value for key, value in row.items()}
