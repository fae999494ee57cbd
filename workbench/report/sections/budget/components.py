"""Components of all profiles one by one: latency with spread, load times, and how much the layers explain."""

from __future__ import annotations

from dataclasses import dataclass

from workbench.report.data import RunData, kind_of
from workbench.report.format import MISSING, big, known, number, percent, whole


@dataclass(frozen=True)
class Row:
    """One component of a candidate on a target, as words; times in ms, ``size`` in MB."""

    candidate: str
    target: str
    component: str
    scheme: str
    kind: str
    latency: str
    iqr: str
    n: str
    cold: str
    warm: str
    first: str
    size: str
    macs: str
    attention: str
    ratio: str
    unmapped: str


def rows(run: RunData) -> list[Row]:
    """A row for every component of every profile."""
    out = []
    for (target, candidate), profile in run.profiles.items():
        for name, c in (profile.get("components") or {}).items():
            latency = c.get("latency_ms") or {}
            out.append(
                Row(
                    candidate=candidate,
                    target=target,
                    component=name,
                    scheme=c.get("scheme") or MISSING,
                    kind=kind_of(profile, c),
                    latency=number(latency.get("median")),
                    iqr=number(latency.get("iqr")),
                    n=whole(latency.get("n")),
                    cold=number(c.get("load_cold_ms")),
                    warm=number(c.get("load_warm_ms")),
                    first=number(c.get("first_call_ms")),
                    size=number(c["size_bytes"] / 1e6) if known(c.get("size_bytes")) else MISSING,
                    macs=big(c.get("macs")),
                    attention=big(c.get("macs_with_attention")),
                    ratio=percent(c.get("kernel_over_wall")),
                    unmapped=percent(c.get("unmapped_share")),
                )
            )
    return out
