"""The layers of all profiles as one compact JSON for the table in which two candidates stand side by side."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from workbench.report.data import RunData
from workbench.report.format import compact
from workbench.report.ranking.rank import Ranking
from workbench.report.sections.registry import Section

if TYPE_CHECKING:
    import pandas as pd

KEY = ["component", "layer"]
SUMMED = ["latency_ms", "macs", "params", "weight_bytes"]


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


def gather(run: RunData, ranking: Ranking) -> str:
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
            columns |= {name: [compact(v) for v in rows[column]] for name, column in short.items()}
            columns |= {name: [texts.setdefault(str(v), len(texts)) for v in rows[name]] for name in ("op", "scheme")}
            profiles.setdefault(target, {})[candidate.name] = columns
    data = {"names": list(names), "texts": list(texts), "profiles": profiles}
    return json.dumps(data, separators=(",", ":"), ensure_ascii=True).replace("<", "\\u003c")


SECTION = Section(__name__, "Layers, side by side", 90, gather, link="Layers")
