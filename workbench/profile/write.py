"""A profile as files: the table of layers and the summary."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from workbench.profile.clock import weighted_sum
from workbench.profile.layers import ordered
from workbench.profile.memory import Peak, onnx_size
from workbench.profile.runtime import Measured, Runtime
from workbench.store.files import write_atomic

FORMULA = "text_encoder × guidance_passes + unet × steps × guidance_passes + vae_decoder"
SPREAD = (
    "component quantiles added with the same weights: all parts slow at the same time (an upper bound of the spread)"
)
MACS = "convolution and linear layers, one pass of each component; macs_with_attention adds the products of attention"


def write_profile(
    out: Path,
    place: Runtime,
    own: Mapping[str, Measured],
    peak: Peak,
    steps: int,
    guidance_scale: float,
    shared: Mapping[str, Any],
    warnings: Sequence[str],
    onnx: Mapping[str, Path],
) -> dict[str, Any]:
    """Writes ``CANDIDATE@TARGET.csv`` and ``.json`` into ``out`` and returns the summary (what the JSON holds)."""
    import pandas as pd

    candidate = next(iter(own.values())).unit.candidate
    components = {name: _component(m, onnx_size(onnx[name])) for name, m in own.items()}
    table = pd.concat([ordered(m.layers.table, name) for name, m in own.items()], ignore_index=True)
    for column in (
        "calls",
        "macs",
        "params",
        "weight_bytes",
        "activation_bytes",
        "peak_bytes",
        "attention_macs",
        "element_ops",
    ):
        table[column] = table[column].astype("Int64")
    write_atomic(out / f"{candidate.name}@{place.target}.csv", table.to_csv(index=False, float_format="%.6g"))
    summary = {
        "schema_version": 1,
        "candidate": candidate.name,
        "target": place.target,
        "runtime": place.name,
        "scheme": candidate.scheme,
        "lineage": list(candidate.lineage),
        "simulated": False,
        "emulated": False,
        "pipeline": _pipeline(own, steps, guidance_scale),
        "components": components,
        **{
            total: sum(c[total] for c in components.values())
            for total in ("size_bytes", "params", "macs", "macs_with_attention")
        },
        "peak_rss_bytes": peak.peak,
        "runtime_rss_bytes": peak.before,
        "peak_rss_reason": peak.reason,
        "what_macs_are": MACS,
        **shared,
        "warnings": list(warnings),
    }
    write_atomic(out / f"{candidate.name}@{place.target}.json", json.dumps(summary, indent=1))
    return summary


def _pipeline(own: Mapping[str, Measured], steps: int, guidance_scale: float) -> dict[str, Any]:
    passes = 2 if guidance_scale > 1 else 1
    times = {"text_encoder": passes, "unet": steps * passes, "vae_decoder": 1}
    return {
        "steps": steps,
        "guidance_scale": guidance_scale,
        "guidance_passes": passes,
        "formula": FORMULA,
        "latency_ms": weighted_sum({name: (own[name].timed.stats, weight) for name, weight in times.items()}),
        "spread": SPREAD,
        "parts_ms": {name: own[name].timed.stats.median * weight for name, weight in times.items()},
    }


def _component(measured: Measured, size: int) -> dict[str, Any]:
    timed, layers, count = measured.timed, measured.layers, measured.count
    return {
        "latency_ms": timed.stats.summary(samples=True),
        "load_cold_ms": timed.load_cold_ms,
        "load_warm_ms": timed.load_warm_ms,
        "first_call_ms": timed.first_call_ms,
        "size_bytes": size,
        "params": count.params,
        "macs": count.macs,
        "macs_with_attention": count.macs_with_attention,
        "uncounted": dict(count.uncounted),
        "quantized_macs_share": layers.integer.layers,
        "quantized_macs_share_with_attention": layers.integer.with_attention,
        "stored_quantized_macs_share": layers.integer.stored,
        "kernel_ms": layers.kernel_ms,
        "profiled_wall_ms": layers.wall_ms,
        "kernel_over_wall": layers.kernel_ms / layers.wall_ms if layers.kernel_ms is not None else None,
        "unmapped_share": layers.unmapped_share,
        "op_ms": {op: round(ms, 5) for op, ms in layers.op_ms.items()},
        "profiled_passes": layers.passes,
        "scheme": measured.unit.scheme,
        "shared_with": measured.shared_with,
    }
