"""The page's sections as plain values: everything here is text and numbers ready to be shown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workbench.report.data import RunData
from workbench.report.format import MISSING, big, change, join, known, megabytes, milliseconds, number, percent, whole
from workbench.report.per_picture import picture_macs
from workbench.report.ranking.rank import Ranking
from workbench.report.ranking.table import label_of, metric_of, metrics_of

WIDE = 6
"""Candidates beyond which the table of scores has a row, not a column, for each."""


def tiles(run: RunData, ranking: Ranking, name: str) -> list[dict[str, str]]:
    """Headline figures of one candidate on the deciding target, each with its spread, n and change to the first."""
    rows = {r["candidate"]: r for r in ranking.table[ranking.table.target == ranking.target].to_dict("records")}
    names = [c.name for c in run.candidates]
    row, first = rows[name], rows[names[0]]
    profile = run.profiles.get((ranking.target, name)) or {}
    pipeline = profile.get("pipeline") or {}
    latency = pipeline.get("latency_ms") or {}
    steps, passes = pipeline.get("steps"), pipeline.get("guidance_passes")
    how = f"{passes} × text encoder + {steps} × {passes} × U-Net + decoder" if steps and passes else "whole pipeline"
    spread = f"p90 {milliseconds(latency.get('p90'))}, n = {latency.get('n', MISSING)}"
    kind = kind_of(profile)
    out = [
        _tile("Pipeline latency", milliseconds(row["latency_ms"]), f"median; {spread}", how, kind),
        _tile("Size", megabytes(row["size_bytes"]), "all components on disk", "", "measured"),
        _tile("Peak memory", megabytes(row["peak_rss_bytes"]), "resident set of the process", "", kind),
    ]
    moves = ["latency_ms", "size_bytes", "peak_rss_bytes"]
    metrics = [
        m for m in dict.fromkeys([ranking.quality, "alignment", "psnr_db"]) if m and metric_of(run.scores, name, m)
    ]
    for metric in metrics[:2]:
        entry = metric_of(run.scores, name, metric)
        value = f"{number(entry['value'])}{' dB' if entry.get('unit') == 'dB' else ''}"
        out.append(_tile(_title(label_of(run.scores, metric)), value, interval(entry), "", "measured"))
        moves.append(metric)
    whole_picture, of_first = picture_macs(profile), picture_macs(run.profiles.get((ranking.target, names[0])) or {})
    if whole_picture:
        macs, in_int8 = whole_picture
        detail = f"for one picture; {percent(in_int8 / macs)} in int8" if in_int8 else "for one picture"
        unet = (profile.get("components") or {}).get("unet") or {}
        out.append(
            _tile("Multiply-accumulates", big(macs), detail, f"{big(unet.get('macs'))} per U-Net pass", "counted")
        )
        row, first = row | {"picture": macs}, first | {"picture": of_first[0] if of_first else None}
        moves.append("picture")
    if name != names[0]:
        for tile, column in zip(out, moves, strict=True):
            if known(row.get(column)) and known(first.get(column)) and first[column]:
                tile["versus"] = change(row[column] / first[column] - 1)
    return out


def _tile(label: str, value: str, detail: str, how: str, kind: str) -> dict[str, str]:
    return {"label": label, "value": value, "detail": detail, "how": how, "kind": kind, "versus": ""}


def _title(label: str) -> str:
    return label if label[:1].isupper() else label[:1].upper() + label[1:]


def kind_of(profile: Mapping[str, Any]) -> str:
    """How a profile's times came about: simulated, emulated, estimated, several of these, or measured."""
    return ", ".join(k for k in ("simulated", "emulated", "estimated") if profile.get(k)) or "measured"


def interval(entry: Mapping[str, Any]) -> str:
    """The 95 % interval and n of a metric."""
    if not entry:
        return ""
    n = f"n = {entry['n']}" if known(entry.get("n")) else ""
    if not known(entry.get("low")) or not known(entry.get("high")):
        return n
    return f"95 % CI {number(entry['low'])} to {number(entry['high'])}{', ' + n if n else ''}"


def summary(run: RunData, ranking: Ranking) -> str:
    """One sentence: what the choice costs and saves against the first candidate."""
    first, name = run.candidates[0].name, ranking.chosen
    if name is None or name == first:
        return ""
    rows = {r["candidate"]: r for r in ranking.table[ranking.table.target == ranking.target].to_dict("records")}
    row, base = rows[name], rows[first]
    parts = []
    for column, better, worse in (("latency_ms", "faster", "slower"), ("size_bytes", "smaller", "larger")):
        if known(row[column]) and known(base[column]) and row[column] and base[column]:
            ratio = base[column] / row[column]
            parts.append(f"{number(max(ratio, 1 / ratio), 2)}× {better if ratio >= 1 else worse}")
    text = f"{join(parts)} than {first}" if parts else ""
    if (
        ranking.quality
        and known(row.get(ranking.quality))
        and known(base.get(ranking.quality))
        and base[ranking.quality] > 0
    ):
        text += f", with {percent(row[ranking.quality] / base[ranking.quality])} of its {ranking.quality_label}"
    return f"{text[:1].upper()}{text[1:]}." if text else ""


def limits_text(run: RunData) -> str:
    """What the recipe asked for."""
    units = {"latency_ms": "latency ≤ {} ms", "size_mb": "size ≤ {} MB", "peak_rss_mb": "peak memory ≤ {} MB"}
    units |= {"alignment_drop": "alignment at most {} below " + run.candidates[0].name, "psnr_db": "PSNR ≥ {} dB"}
    limits = run.recipe.rank.constraints.limits()
    said = [
        units[key.partition("@")[0]].format(percent(value) if key == "alignment_drop" else f"{value:g}")
        + (f" on {key.partition('@')[2]}" if "@" in key else "")
        for key, value in limits.items()
        if value is not None
    ]
    aim = run.recipe.rank.maximize
    return f"Asked for: best {label_of(run.scores, aim) if aim not in ('speed', 'smallness') else aim}" + (
        f" with {join(said)}." if said else ", no limits."
    )


def ranking_rows(run: RunData, ranking: Ranking) -> list[dict[str, Any]]:
    """Rows of the table of candidates × targets."""
    out = []
    firsts: dict[str, float] = {}
    for row in ranking.table.to_dict("records"):
        base = firsts.setdefault(row["target"], row["latency_ms"])
        entry = metric_of(run.scores, row["candidate"], ranking.quality) if ranking.quality else {}
        profile = run.profiles.get((row["target"], row["candidate"])) or {}
        speed = base / row["latency_ms"] if known(base) and known(row["latency_ms"]) and row["latency_ms"] else None
        n = row["latency_n"]
        out.append(
            {k: row[k] for k in ("candidate", "target", "scheme", "pareto", "chosen", "reason")}
            | {"kind": kind_of(profile), "latency": number(row["latency_ms"]), "p90": number(row["latency_p90_ms"])}
            | {"n": whole(n), "speed": f"{number(speed, 2)}×" if speed else MISSING}
            | {"size": number(row["size_bytes"] / 1e6), "memory": number(row["peak_rss_bytes"] / 1e6)}
            | {"macs": big(row["macs"]), "params": big(row["params"])}
            | {"quality": number(entry.get("value")), "interval": _ends(entry), "said": _said(row["reason"])}
        )
    return out


def _ends(entry: Mapping[str, Any]) -> str:
    return f"{number(entry['low'])} to {number(entry['high'])}" if known(entry.get("low")) else ""


def _said(reason: str) -> str:
    """A reason without what the marks beside it say."""
    text = reason.removeprefix("chosen: ").removeprefix("on the Pareto front").removeprefix(", but ")
    return text.removeprefix("; ")


def quality_table(run: RunData) -> dict[str, Any]:
    """All metrics × candidates: value, interval, and what real pictures get where that is known."""
    arrows = {"high": "higher is better", "low": "lower is better", "one": "1 is best"}
    reference = next((s["reference"] for s in run.scores.values() if s.get("reference")), None)
    rows = []
    for metric, sample in metrics_of(run.scores).items():
        entries = [metric_of(run.scores, c.name, metric) for c in run.candidates]
        cells = [
            {
                "value": number(e.get("value")) if e else "reference" if c.name == reference else MISSING,
                "interval": _ends(e),
            }
            for c, e in zip(run.candidates, entries, strict=True)
        ]
        ns = sorted({e["n"] for e in entries if known(e.get("n"))})
        real = next((e["real"] for e in entries if known(e.get("real"))), None)
        rows.append(
            {
                "label": _title(label_of(run.scores, metric)),
                "unit": sample.get("unit") or "",
                "better": arrows.get(sample.get("better", ""), ""),
                "n": ", ".join(map(str, ns)) or MISSING,
                "real": number(real) if real is not None else "",
                "cells": cells,
            }
        )
    names = [c.name for c in run.candidates]
    return {"rows": rows, "real": any(r["real"] for r in rows), "tall": len(names) > WIDE, "names": names}


def steps_rows(ranking: Ranking, target: str) -> list[dict[str, str]]:
    """What each step bought on one target, absolute and relative."""
    out = []
    own = ranking.table[ranking.table.target == target]
    kinds = {
        name: kind_of({"simulated": s, "emulated": e})
        for name, s, e in zip(own.candidate, own.simulated, own.emulated, strict=True)
    }
    for row in ranking.by_step[ranking.by_step.target == target].to_dict("records"):
        quality = ranking.quality
        d_size = row["delta_size_bytes"]
        cells = {
            "latency": _delta(row["delta_latency_ms"], row["share_latency_ms"], " ms"),
            "size": _delta(d_size / 1e6, row["share_size_bytes"], " MB"),
            "quality": _delta(row[f"delta_{quality}"], row[f"share_{quality}"], "") if quality else MISSING,
            "settled": "beyond the intervals" if row["quality_settled"] else "within the intervals",
        }
        if not quality or not known(row[f"delta_{quality}"]):
            cells["settled"] = MISSING
        names = {"candidate": row["candidate"], "previous": row["previous"], "kind": kinds[row["candidate"]]}
        out.append(names | cells)
    return out


def _delta(value: float, share: float, unit: str) -> str:
    if not known(value):
        return MISSING
    sign = "+" if value > 0 else "±" if value == 0 else ""
    return f"{sign}{number(value)}{unit} ({change(share)})" if known(share) else f"{sign}{number(value)}{unit}"


def component_rows(run: RunData) -> list[dict[str, str]]:
    """Components of all profiles: latency with spread, load times, and how much of the time the layers explain."""
    out = []
    for (target, candidate), profile in run.profiles.items():
        for name, c in (profile.get("components") or {}).items():
            latency = c.get("latency_ms") or {}
            out.append(
                {
                    "target": target,
                    "candidate": candidate,
                    "component": name,
                    "scheme": c.get("scheme") or MISSING,
                    "kind": kind_of({**profile, "simulated": c.get("simulated")}),
                    "latency": number(latency.get("median")),
                    "iqr": number(latency.get("iqr")),
                    "n": whole(latency.get("n")),
                    "cold": number(c.get("load_cold_ms")),
                    "warm": number(c.get("load_warm_ms")),
                    "first": number(c.get("first_call_ms")),
                    "size": number(c["size_bytes"] / 1e6) if known(c.get("size_bytes")) else MISSING,
                    "macs": big(c.get("macs")),
                    "attention": big(c.get("macs_with_attention")),
                    "ratio": percent(c.get("kernel_over_wall")),
                    "unmapped": percent(c.get("unmapped_share")),
                }
            )
    return out
