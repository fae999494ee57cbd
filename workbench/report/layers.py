"""The layers of all profiles as one compact JSON for the page's table, and what int8 did to them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from workbench.report.data import RunData
from workbench.report.words import known

if TYPE_CHECKING:
    import pandas as pd

KEY = ["component", "layer"]
SUMMED = ["latency_ms", "macs", "params", "weight_bytes"]
OVERHEAD = {"QuantizeLinear", "DequantizeLinear", "ReorderInput", "ReorderOutput"}
"""Operations that exist only because of a scheme or a memory layout."""
FULL_PRECISION = "fp32"


def joined(table: pd.DataFrame) -> pd.DataFrame:
    """One row per component and layer: numbers summed, operations listed, the scheme of the slowest part."""
    table = table.reindex(columns=[*KEY, *SUMMED, "op", "scheme"])
    table = table.sort_values("latency_ms", ascending=False, kind="stable", na_position="last")
    groups = table.groupby(KEY, sort=False, dropna=False)
    out = groups[SUMMED].sum(min_count=1)
    out["scheme"] = groups["scheme"].first().fillna("")
    named = table.dropna(subset="op").drop_duplicates([*KEY, "op"]).groupby(KEY, sort=False, dropna=False)["op"]
    out["op"] = named.first()
    for key in named.size()[lambda count: count > 1].index:
        out.loc[key, "op"] = " + ".join(named.get_group(key))
    out["op"] = out["op"].fillna("")
    return out.reset_index()


def payload(run: RunData) -> str:
    """JSON for ``<script type="application/json">``: names listed once, one array per column, ``<`` escaped.

    ``{"names": ["unet\\u0000conv_in", …], "texts": [ops and schemes], "profiles": {target: {candidate: {"i": index
    into names, "ms", "macs", "params", "bytes", "op" and "scheme": index into texts}}}}``
    """
    names: dict[str, int] = {}
    texts: dict[str, int] = {}
    profiles: dict[str, dict[str, Any]] = {}
    for target in run.targets:
        for candidate in run.candidates:
            table = run.layer_table(target, candidate.name)
            if table is None or table.empty:
                continue
            rows = joined(table)
            keys = [f"{c}\0{layer}" for c, layer in zip(rows.component.fillna(""), rows.layer, strict=True)]
            columns: dict[str, Any] = {"i": [names.setdefault(k, len(names)) for k in keys]}
            short = {"ms": "latency_ms", "macs": "macs", "params": "params", "bytes": "weight_bytes"}
            columns |= {name: [_short(v) for v in rows[column]] for name, column in short.items()}
            columns |= {name: [texts.setdefault(str(v), len(texts)) for v in rows[name]] for name in ("op", "scheme")}
            profiles.setdefault(target, {})[candidate.name] = columns
    data = {"names": list(names), "texts": list(texts), "profiles": profiles}
    return json.dumps(data, separators=(",", ":"), ensure_ascii=True).replace("<", "\\u003c")


def _short(value: Any) -> float | int | None:
    """Four significant digits for times, whole counts as they are, null for what was not measured."""
    value = float(value) if value is not None else float("nan")
    if not known(value):
        return None
    return int(value) if value == int(value) else float(f"{value:.4g}")


def passes_of(profile: Mapping[str, Any]) -> dict[str, int]:
    """How often each component runs for one picture; one that isn't named here runs once."""
    pipeline = profile.get("pipeline") or {}
    guidance = pipeline.get("guidance_passes") or 1
    return {"text_encoder": guidance, "unet": guidance * (pipeline.get("steps") or 1)}


def picture_macs(profile: Mapping[str, Any]) -> tuple[float, float] | None:
    """MACs of one whole picture, and those of them in int8."""
    passes = passes_of(profile)
    components = {n: c for n, c in (profile.get("components") or {}).items() if known(c.get("macs"))}
    if not components:
        return None
    macs = {name: c["macs"] * passes.get(name, 1) for name, c in components.items()}
    return sum(macs.values()), sum(macs[n] * (c.get("quantized_macs_share") or 0.0) for n, c in components.items())


def parent_of(run: RunData, candidate: str) -> str | None:
    """The nearest candidate before this one in the chain that is in full precision."""
    names = [c.name for c in run.candidates]
    before = [c for c in run.candidates[: names.index(candidate)] if c.scheme == FULL_PRECISION]
    return before[-1].name if before else None


def where_int8_lost(run: RunData, target: str, candidate: str, most: int = 10) -> list[dict[str, Any]]:
    """Layers that are slower than in the full-precision parent, the greatest loss first.

    Rows: component, layer, op, scheme, before_ms, after_ms, lost_ms; only losses of 1 % of the component's time or
    5 µs and more, whichever is less, so that noise of tiny layers is not listed.
    """
    parent = parent_of(run, candidate)
    ours, theirs = run.layer_table(target, candidate), run.layer_table(target, parent) if parent else None
    if ours is None or theirs is None:
        return []
    both = joined(ours).merge(joined(theirs)[[*KEY, "latency_ms"]], on=KEY, how="left", suffixes=("", "_before"))
    both["latency_ms_before"] = both["latency_ms_before"].fillna(0.0)
    both["lost_ms"] = both["latency_ms"] - both["latency_ms_before"]
    total = both.groupby("component")["latency_ms"].transform("sum")
    lost = both[both["lost_ms"] >= (total * 0.01).clip(upper=0.005)].sort_values(
        "lost_ms", ascending=False, kind="stable"
    )
    return [
        {"component": r["component"], "layer": r["layer"], "op": r["op"], "scheme": r["scheme"]}
        | {"before_ms": r["latency_ms_before"], "after_ms": r["latency_ms"], "lost_ms": r["lost_ms"]}
        for r in lost.head(most).to_dict("records")
    ]


def overhead(profile: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """Kernel time in ms per pass in operations of their own that only change precision or memory layout.

    By component, then by kind of operation; components that spend nothing on it are left out. What the runtime fused
    into a layer is not overhead.
    """
    found = {}
    for name, component in (profile.get("components") or {}).items():
        spent = {op: ms for op, ms in (component.get("op_ms") or {}).items() if op in OVERHEAD and ms > 0}
        if spent:
            found[name] = spent
    return found
