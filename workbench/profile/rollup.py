"""A table of layers rolled up: by the module tree to some depth, by kind of operator, by scheme, by component."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from workbench.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

By = Literal["module", "op", "scheme", "component"]
SUMMED = (
    "latency_ms", "calls", "macs", "attention_macs", "element_ops", "params", "weight_bytes", "activation_bytes",
)  # fmt: skip
GREATEST = ("peak_bytes", "runtime_bytes")
"""What is held at one time doesn't add up: the most of it."""
Samples = Mapping[str, Mapping[str, Sequence[float]]]
"""Component to layer to its times in ms, pass by pass (``layer_samples_ms`` of a profile's JSON)."""


def rollup(table: pd.DataFrame, by: By, depth: int | None = None, samples: Samples | None = None) -> pd.DataFrame:
    """One row per group of layers, the slowest first; every layer is in exactly one group.

    Args:
        table: rows of ``layers.COLUMNS``, of one profile.
        by: what a group has in common. ``module``: the component and the first ``depth`` parts of the module path
            (``down_blocks.0`` has two); ``(root)``, ``(unmapped)`` and ``(runtime)`` stay by themselves.
        depth: for ``module`` alone; None keeps layers as they are.
        samples: where given, a group's ``latency_ms`` and ``latency_iqr_ms`` are the median and the spread of its time
            per pass; without them the medians of its layers are added, and there is no spread (NaN).

    Returns:
        Columns: ``component`` and ``module`` or the one grouped by; ``layers`` (how many), ``latency_ms``,
        ``latency_iqr_ms``, ``share``, and sums of the rest; ``peak_bytes`` and ``runtime_bytes`` are the greatest.

    Raises:
        InputError: ``depth`` is below 1.
    """
    if depth is not None and depth < 1:
        raise InputError(f"depth {depth}: the module tree begins at depth 1")
    keyed = table.assign(module=[_shortened(layer, depth) for layer in table["layer"]])
    keyed = keyed.reindex(columns=[*dict.fromkeys((*keyed.columns, *SUMMED, *GREATEST))])
    key = ["component", "module"] if by == "module" else [by]
    keyed[key] = keyed[key].fillna("")
    groups = keyed.groupby(key, sort=False, dropna=False)
    sums = groups[list(SUMMED)].sum(min_count=1).assign(layers=groups.size(), **groups[list(GREATEST)].max())
    if samples and any(samples.values()):
        sums = sums.join(_over_passes(keyed, key, samples))
        sums["latency_ms"] = sums["median_of_passes"].fillna(sums["latency_ms"])
    else:
        sums["latency_iqr_ms"] = float("nan")
    total = sums["latency_ms"].sum()
    sums["share"] = sums["latency_ms"] / total if total else 0.0
    columns = ["layers", "latency_ms", "latency_iqr_ms", "share", *SUMMED[1:], *GREATEST]
    return sums.sort_values("latency_ms", ascending=False, kind="stable")[columns].reset_index()


def samples_of(profile: Path) -> Samples:
    """The samples in the JSON beside a profile's CSV; empty when it holds none."""
    summary = json.loads(profile.with_suffix(".json").read_text())
    return {name: component.get("layer_samples_ms", {}) for name, component in summary["components"].items()}


def _shortened(layer: str, depth: int | None) -> str:
    return layer if depth is None or layer.startswith("(") else ".".join(layer.split(".")[:depth])


def _over_passes(keyed: pd.DataFrame, key: Sequence[str], samples: Samples) -> pd.DataFrame:
    """Median and IQR over the passes of each group's time; where components have unequal numbers, over the fewest."""
    import pandas as pd

    rows = [(component, layer, times) for component, layers in samples.items() for layer, times in layers.items()]
    fewest = min((len(times) for _, _, times in rows), default=0)
    columns = [f"pass {i}" for i in range(fewest)]
    index = pd.MultiIndex.from_tuples([row[:2] for row in rows], names=["component", "layer"])
    recorded = pd.DataFrame([times[:fewest] for _, _, times in rows], index=index, columns=columns, dtype=float)
    joined = keyed.merge(recorded, left_on=["component", "layer"], right_index=True, how="left")
    passes = joined.groupby(list(key), sort=False, dropna=False)[columns].sum(min_count=1)
    spread = passes.quantile(0.75, axis=1) - passes.quantile(0.25, axis=1)
    return pd.DataFrame({"median_of_passes": passes.median(axis=1), "latency_iqr_ms": spread})
