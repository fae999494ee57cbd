"""What stands at the top of a profile's page: names, the figures, and a sentence on the slowest layers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from workbench.measure.clock import DRIFT_LIMIT, SPREAD_LIMIT
from workbench.measure.layers import OUTSIDE, UNMAPPED
from workbench.profile.read import ReadProfile
from workbench.profile.summary import Component, Latency, Summary
from workbench.report.format import big, change, join, known, megabytes, milliseconds, number, percent, whole
from workbench.report.per_picture import told

HEAVY = 0.95
"""Share of the time that the layers have which are shown first."""


def labels(profiles: Sequence[ReadProfile]) -> list[str]:
    """A short name for each profile, all different: what they share is left out."""
    candidates = {p.summary["candidate"] for p in profiles}
    targets = {p.summary["target"] for p in profiles}
    if len(targets) == 1 and len(candidates) > 1:
        short = [p.summary["candidate"] for p in profiles]
    elif len(candidates) == 1 and len(targets) > 1:
        short = [p.summary["target"] for p in profiles]
    else:
        short = [p.label for p in profiles]
    counts: dict[str, int] = {}
    names = []
    for name in short:
        counts[name] = counts.get(name, 0) + 1
        names.append(name if short.count(name) == 1 else f"{name} #{counts[name]}")
    return names


def main_component(profiles: Sequence[ReadProfile]) -> str:
    """The component that takes the most time: of a whole picture where that is known, else of one pass."""
    first = profiles[0].summary
    parts = (first.get("pipeline") or {}).get("parts_ms") or {}
    times = {name: parts.get(name, c["latency_ms"]["median"]) for name, c in first["components"].items()}
    return max(times, key=lambda name: times[name])


def headline(profile: ReadProfile, component: str) -> tuple[str, Latency]:
    """What the latency at the top is of, and its statistics."""
    pipeline = profile.summary.get("pipeline")
    if pipeline:
        how = told(profile.summary)
        return f"one picture{f': {how}' if how else ''}", pipeline["latency_ms"]
    if component not in profile.summary["components"]:
        component = main_component([profile])
    return f"one pass of {component}", profile.summary["components"][component]["latency_ms"]


def doubts(latency: Latency) -> list[str]:
    """Why a median is not to be trusted; empty when nothing speaks against it."""
    sentences = []
    if latency.get("median") and known(latency.get("iqr")) and latency["iqr"] / latency["median"] > SPREAD_LIMIT:
        sentences.append(f"noisy: IQR {percent(latency['iqr'] / latency['median'])} of the median")
    drift = latency.get("drift")
    if known(drift) and abs(drift) > DRIFT_LIMIT:
        sentences.append(f"drifted by {change(drift)} while it was measured")
    return sentences


def uncounted(component: Component) -> str:
    """Operators whose MACs weren't counted."""
    return join([f"{count} × {op}" for op, count in (component.get("uncounted") or {}).items()])


def _imitated(summary: Summary) -> list[str]:
    """What must stand beside times that were taken of an imitation."""
    meanings = {
        "simulated": "simulated: integers multiplied as floats",
        "emulated": "emulated: another machine's times",
    }
    return [text for kind, text in meanings.items() if summary.get(kind)]


@dataclass(frozen=True)
class Tile:
    """One figure. ``kind``: measured, added up (of medians of several components), counted, estimated."""

    label: str
    value: str
    detail: str
    kind: str
    doubts: Sequence[str] = ()


def tiles(profile: ReadProfile, component: str) -> list[Tile]:
    """The figures at the top."""
    s = profile.summary
    if component not in s["components"]:
        component = main_component([profile])
    part = s["components"][component]
    what, latency = headline(profile, component)
    spread = latency["iqr"] / latency["median"] if latency.get("median") and known(latency.get("iqr")) else None
    drift = f", drift {change(latency['drift'])}" if known(latency.get("drift")) else ""
    notes = part.get("counting_notes") or []
    missing = [f"not counted: {operators}"] if (operators := uncounted(part)) else []
    ratio = part.get("kernel_over_wall")
    own = s.get("runtime_rss_bytes")
    how = "added up" if s.get("pipeline") else "measured"
    return [
        Tile("median latency", milliseconds(latency["median"]), what, how, [*_imitated(s), *doubts(latency)]),
        Tile(
            "p90",
            milliseconds(latency.get("p90")),
            f"n = {whole(latency['n'])}, fastest {milliseconds(latency.get('min'))}",
            how,
        ),
        Tile("spread", percent(spread), f"IQR {milliseconds(latency.get('iqr'))} ÷ median{drift}", how),
        Tile(
            "kernel ÷ wall",
            number(ratio, 2) if known(ratio) else "not told",
            f"{component}: {milliseconds(part.get('kernel_ms'))} of {milliseconds(part.get('profiled_wall_ms'))}, "
            "profiling on",
            "measured",
        ),
        Tile(
            "kernel time on no layer",
            percent(part.get("unmapped_share")),
            f"{component}: the row {UNMAPPED}; n = {whole(part.get('profiled_passes'))} passes",
            "measured",
        ),
        Tile(
            "peak memory (RSS)",
            megabytes(s.get("peak_rss_bytes")),
            f"the runtime itself: {megabytes(own)}" if known(own) else s.get("peak_rss_reason") or "a run of its own",
            "measured",
        ),
        Tile("size of the files", megabytes(s.get("size_bytes")), f"{big(s.get('params'))} parameters", "measured"),
        Tile(
            "MACs, one pass of each",
            big(s.get("macs")),
            f"{big(s.get('macs_with_attention'))} with the products of attention",
            "counted",
            [*missing, *notes],
        ),
        Tile(
            "values alive, most at once",
            megabytes(part.get("live_peak_bytes")),
            f"{component}, at {part['live_peak_at']}" if part.get("live_peak_at") else f"{component}: not told",
            "estimated",
        ),
    ]


def lead(profiles: Sequence[ReadProfile], names: Sequence[str], component: str) -> str:
    """One or two sentences: how long, and how much of it a few layers take."""
    times = {
        name: p.summary["components"][component]["latency_ms"]
        for name, p in zip(names, profiles, strict=True)
        if component in p.summary["components"]
    }
    if len(profiles) > 1:
        latencies = [f"{name} {milliseconds(time['median'])}" for name, time in times.items()]
        return f"One pass of {component}: {join(latencies)} (medians)."
    table = profiles[0].table
    rows = table[(table["component"] == component) & ~table["layer"].isin((UNMAPPED, OUTSIDE))]
    rows = rows.sort_values("latency_ms", ascending=False, kind="stable")
    total = rows["latency_ms"].sum()
    if rows.empty or not total:
        return f"One pass of {component} takes {milliseconds(times[names[0]]['median'])}."
    few = int((rows["latency_ms"].cumsum() < HEAVY * total).sum()) + 1
    slowest = rows.iloc[0]
    return (
        f"One pass of {component} takes {milliseconds(times[names[0]]['median'])}. {few} of its {len(rows)} layers "
        f"make up {percent(HEAVY)} of the layers' time; the slowest is {slowest['layer']} with "
        f"{percent(slowest['latency_ms'] / total)} of it."
    )
