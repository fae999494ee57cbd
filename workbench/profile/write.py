"""A profile as files: the table of layers and the summary."""

from __future__ import annotations

import dataclasses
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from workbench.measure.clock import weighted_sum
from workbench.measure.layers import ordered
from workbench.measure.memory import Peak
from workbench.measure.network import Network
from workbench.measure.simulated import simulated
from workbench.models import guidance
from workbench.models.families.base import PASSES, STEPS, Family, calls
from workbench.profile.roofline import roofline
from workbench.runtimes.base import Measured
from workbench.runtimes.load import file_size
from workbench.store.files import write_atomic

SCHEMA_VERSION = 2
"""Of the summary; 2 added layer samples, events, transitions, the peak of live values, and profiles of no pipeline."""

SPREAD = (
    "component quantiles added with the same weights: all parts slow at the same time (an upper bound of the spread)"
)
MACS = "convolution and linear layers, one pass of each component; macs_with_attention adds the products of attention"


class Place(Protocol):
    """Where something was measured: the runtime's name, the target, and which files a network is there."""

    @property
    def name(self) -> str:
        """The runtime's name."""

    @property
    def target(self) -> str:
        """What the place is called in tables."""

    def files(self, network: Network) -> list[Path]:
        """The files that loading reads."""


def stem(candidate: str, target: str) -> str:
    """The name of a profile's files, before the first dot that isn't the candidate's own.

    A serial may hold what some file systems refuse (``adb:127.0.0.1:5555``).
    """
    return f"{candidate}@{re.sub(r'[^A-Za-z0-9._-]', '-', target)}"


@dataclass(frozen=True)
class Budget:
    """What one picture costs: denoising steps, and two passes in each of them with guidance above 1.

    A denoiser that takes the strength of guidance as an input makes one. ``own``: candidates to the number of steps
    that they are drawn in, where it is another.
    """

    steps: int
    guidance_scale: float
    own: Mapping[str, int] = dataclasses.field(default_factory=dict)


def write_profile(
    out: Path,
    place: Place,
    own: Mapping[str, Measured],
    peak: Peak,
    budget: Budget | None,
    shared: Mapping[str, Any],
    warnings: Sequence[str],
) -> dict[str, Any]:
    """Writes ``CANDIDATE@TARGET.csv`` and ``.json`` into ``out`` and returns the summary (what the JSON holds).

    Where ``shared`` has the place's ceilings, ``.roofline.csv`` says which bound each layer is under.
    """
    import pandas as pd

    first = next(iter(own.values()))
    family = first.network.family
    network = (own.get(family.denoiser.name, first) if family else first).network
    components = {name: _component(m, _size(place, m)) for name, m in own.items()}
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
        "runtime_bytes",
    ):
        table[column] = table[column].astype("Int64")
    write_atomic(out / f"{stem(network.candidate, place.target)}.csv", table.to_csv(index=False, float_format="%.6g"))
    if shared.get("ceilings"):
        lines = roofline(table, shared["ceilings"]).to_csv(index=False, float_format="%.6g")
        write_atomic(out / f"{stem(network.candidate, place.target)}.roofline.csv", lines)
    summary = {
        "schema_version": SCHEMA_VERSION,
        "candidate": network.candidate,
        "target": place.target,
        "runtime": place.name,
        "scheme": network.scheme,
        "simulated": any(c["simulated"] for c in components.values()),
        "emulated": False,
        "pipeline": _pipeline(family, own, budget) if budget and family and set(family.names) <= set(own) else None,
        "components": components,
        **{
            total: sum(c[total] for c in components.values())
            for total in ("size_bytes", "params", "macs", "macs_with_attention")
        },
        "peak_rss_bytes": peak.peak,
        "runtime_rss_bytes": peak.before,
        "running_rss_bytes": peak.running,
        "peak_rss_reason": peak.reason,
        "what_macs_are": MACS,
        **shared,
        "warnings": list(warnings),
    }
    write_atomic(out / f"{stem(network.candidate, place.target)}.json", readable(summary))
    return summary


def readable(summary: Mapping[str, Any]) -> str:
    """JSON that people can read: one key a line, but lists of plain values (hundreds of samples) in one line."""
    text = json.dumps(summary, indent=1)
    # A line break stands in JSON only between values, never within a string.
    return re.sub(r"\[\n\s*([^\[\]{}]*?)\s*\n\s*\]", lambda m: "[" + re.sub(r"\s*\n\s*", " ", m[1]) + "]", text)


def _size(place: Place, measured: Measured) -> int:
    """Bytes as deployed: the file where there is one, else what this runtime reads."""
    if measured.network.file is not None:
        return file_size(measured.network.file)
    return sum(file.stat().st_size for file in place.files(measured.network))


def _pipeline(family: Family, own: Mapping[str, Measured], budget: Budget) -> dict[str, Any]:
    denoiser = own[family.denoiser.name].network
    steps = budget.own.get(denoiser.candidate, budget.steps)
    passes = guidance.passes(budget.guidance_scale, guidance.INPUT in denoiser.feed)
    factors = calls(family.formula, {STEPS: steps, PASSES: passes})
    times = {name: math.prod(of) for name, of in factors.items()}
    return {
        "steps": steps,
        "guidance_scale": budget.guidance_scale,
        "guidance_passes": passes,
        "formula": family.formula,
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
        "first_call_cache": timed.first_call_cache,
        "size_bytes": size,
        "params": count.params,
        "macs": count.macs,
        "macs_with_attention": count.macs_with_attention,
        "uncounted": dict(count.uncounted),
        "counting_notes": list(count.notes),
        "quantized_macs_share": layers.integer.layers,
        "quantized_macs_share_with_attention": layers.integer.with_attention,
        "stored_quantized_macs_share": layers.integer.stored,
        "kernel_ms": layers.kernel_ms,
        "profiled_wall_ms": layers.wall_ms,
        "kernel_over_wall": layers.kernel_ms / layers.wall_ms if layers.kernel_ms is not None else None,
        "unmapped_share": layers.unmapped_share,
        "op_ms": {op: round(ms, 5) for op, ms in layers.op_ms.items()},
        "profiled_passes": layers.passes,
        "scheme": measured.network.scheme,
        "simulated": simulated(measured.network.scheme, layers.integer.layers, layers.integer.stored),
        "shared_with": measured.shared_with,
        "transitions": [dataclasses.asdict(t) for t in layers.transitions],
        "live_peak_bytes": layers.live_peak_bytes,
        "live_peak_at": layers.live_peak_at,
        "layer_samples_ms": {name: [round(ms, 4) for ms in taken] for name, taken in layers.samples.items()},
        "events": [[e.name, e.layer, e.op, round(e.start_us, 1), round(e.duration_us, 1)] for e in layers.events],
    }
