"""The components of every profile: one pass of each, and the kernels that turn one precision into another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from workbench.profile.read import ReadProfile
from workbench.report.format import MISSING, big, join, known, megabytes, number, percent, whole
from workbench.report.profile.headline import doubts
from workbench.report.profile.layers import strip


@dataclass(frozen=True)
class Row:
    """One component of a profile, as words. ``more``: p90, IQR and n in ms; ``strip``: all timed passes, an SVG.

    ``shared``: the candidate's component whose measurement this is.
    """

    profile: str
    component: str
    scheme: str
    median: str
    more: str
    doubts: Sequence[str]
    strip: str | None
    load: str
    size: str
    params: str
    macs: str
    attention: str
    int8: str
    ratio: str
    unmapped: str
    uncounted: str
    shared: str | None


@dataclass(frozen=True)
class Transition:
    """Kernels from one precision to another per pass: how many, and their time in ms."""

    profile: str
    component: str
    before: str
    after: str
    count: str
    ms: str


def components(profiles: Sequence[ReadProfile], labels: Sequence[str]) -> list[Row]:
    """Rows of the table of components, each profile's together."""
    rows = []
    for label, profile in zip(labels, profiles, strict=True):
        for name, c in profile.summary["components"].items():
            time = c["latency_ms"]
            int8 = c.get("quantized_macs_share")
            rows.append(
                Row(
                    profile=label,
                    component=name,
                    scheme=c.get("scheme") or MISSING,
                    median=number(time["median"]),
                    more=f"{number(time.get('p90'))} · {number(time.get('iqr'))} · {whole(time['n'])}",
                    doubts=doubts(time),
                    strip=strip(time.get("samples") or []),
                    load=" · ".join(number(c.get(f"{key}_ms")) for key in ("load_cold", "load_warm", "first_call")),
                    size=megabytes(c.get("size_bytes")),
                    params=big(c.get("params")),
                    macs=big(c.get("macs")),
                    attention=big(c.get("macs_with_attention")),
                    int8=percent(int8) if known(int8) else MISSING,
                    ratio=number(c.get("kernel_over_wall"), 2),
                    unmapped=percent(c.get("unmapped_share")),
                    uncounted=join([f"{count} × {op}" for op, count in (c.get("uncounted") or {}).items()]),
                    shared=c.get("shared_with"),
                )
            )
    return rows


def transitions(profiles: Sequence[ReadProfile], labels: Sequence[str]) -> list[Transition]:
    """Those of every component of every profile."""
    return [
        Transition(label, name, t["before"], t["after"], whole(t["count"]), number(t["ms"]))
        for label, profile in zip(labels, profiles, strict=True)
        for name, c in profile.summary["components"].items()
        for t in c.get("transitions") or ()
    ]
