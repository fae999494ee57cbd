"""A profile as files: the table of layers and the summary."""

from __future__ import annotations

import dataclasses
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from workbench.measure.clock import weighted_sum
from workbench.measure.layers import INTEGER_COLUMNS, ordered
from workbench.measure.record import Measured, Record
from workbench.measure.simulated import simulated
from workbench.models import guidance
from workbench.models.families.base import PASSES, TIMESTEPS, calls
from workbench.models.scheduler import timesteps
from workbench.profile.roofline import roofline
from workbench.profile.summary import SCHEMA_VERSION, Component, Pipeline, Summary
from workbench.store.files import write_atomic
from workbench.store.tables import write_csv

if TYPE_CHECKING:
    import pandas as pd

SPREAD = (
    "component quantiles added with the same weights: all parts slow at the same time (an upper bound of the spread)"
)
MACS = "convolution and linear layers, one pass of each component; macs_with_attention adds the products of attention"


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
    out: Path, record: Record, budget: Budget | None, warnings: Sequence[str], lineage: Sequence[str] = ()
) -> Summary:
    """Writes ``CANDIDATE@TARGET.csv`` and ``.json`` into ``out`` and returns the summary (what the JSON holds).

    Where the machine's ceilings are known, ``.roofline.csv`` says which bound each layer is under.

    ``budget`` is of the whole pipeline, None where there is none; ``warnings`` say what makes the numbers doubtful,
    ``lineage`` which steps made the candidate.
    """
    name = stem(record.candidate, record.target)
    table, summary = layer_table(record), summarize(record, budget, warnings, lineage)
    write_csv(out / f"{name}.csv", table, float_format="%.6g")
    if record.facts.get("ceilings"):
        lines = roofline(table, record.facts["ceilings"])
        write_csv(out / f"{name}.roofline.csv", lines, float_format="%.6g")
    write_atomic(out / f"{name}.json", readable(summary))
    return summary


def layer_table(record: Record) -> pd.DataFrame:
    """The layers of all components, by ``COLUMNS``."""
    import pandas as pd

    table = pd.concat([ordered(m.layers.table, name) for name, m in record.components.items()], ignore_index=True)
    return table.astype(dict.fromkeys(INTEGER_COLUMNS, "Int64"))


def summarize(record: Record, budget: Budget | None, warnings: Sequence[str], lineage: Sequence[str] = ()) -> Summary:
    """The summary of a profile; arguments as for ``write_profile``."""
    components, peak = {name: _component(m) for name, m in record.components.items()}, record.peak
    return {
        "schema_version": SCHEMA_VERSION,
        "candidate": record.candidate,
        "target": record.target,
        "runtime": record.runtime,
        "scheme": record.main.scheme,
        "simulated": any(c["simulated"] for c in components.values()),
        "emulated": False,
        "pipeline": _pipeline(record, budget) if budget else None,
        "components": components,
        "size_bytes": sum(c["size_bytes"] for c in components.values()),
        "params": sum(c["params"] for c in components.values()),
        "macs": sum(c["macs"] for c in components.values()),
        "macs_with_attention": sum(c["macs_with_attention"] for c in components.values()),
        "peak_rss_bytes": peak.peak,
        "runtime_rss_bytes": peak.before,
        "running_rss_bytes": peak.running,
        "peak_rss_reason": peak.reason,
        "what_macs_are": MACS,
        **cast("Summary", record.facts),
        "lineage": list(lineage),
        "warnings": list(warnings),
    }


def readable(summary: Summary) -> str:
    """JSON that people can read: one key a line, but lists of plain values (hundreds of samples) in one line."""
    text = json.dumps(summary, indent=1)
    # In JSON a line break is only between values, never within a string.
    return re.sub(r"\[\n\s*([^\[\]{}]*?)\s*\n\s*\]", lambda m: "[" + re.sub(r"\s*\n\s*", " ", m[1]) + "]", text)


def _pipeline(record: Record, budget: Budget) -> Pipeline | None:
    """The cost of one picture; None where the record isn't that of a whole pipeline."""
    parts, steps = record.components, budget.own.get(record.candidate, budget.steps)
    few = guidance.INPUT in record.main.inputs
    passes, times = guidance.passes(budget.guidance_scale, few), len(timesteps(record.scheduler, steps, few))
    factors = calls(record.formula, {TIMESTEPS: times, PASSES: passes})
    if not factors or not factors.keys() <= parts.keys():
        return None
    weights = {name: math.prod(of) for name, of in factors.items()}
    return {
        "steps": steps,
        "timesteps": times,
        "guidance_scale": budget.guidance_scale,
        "guidance_passes": passes,
        "formula": record.formula,
        "latency_ms": weighted_sum({name: (parts[name].timed.stats, weight) for name, weight in weights.items()}),
        "spread": SPREAD,
        "parts_ms": {name: parts[name].timed.stats.median * weight for name, weight in weights.items()},
    }


def _component(measured: Measured) -> Component:
    timed, layers, count = measured.timed, measured.layers, measured.count
    return {
        "latency_ms": timed.stats.summary(samples=True),
        "load_cold_ms": timed.load_cold_ms,
        "load_warm_ms": timed.load_warm_ms,
        "first_call_ms": timed.first_call_ms,
        "first_call_cache": timed.first_call_cache,
        "size_bytes": measured.size_bytes,
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
        "scheme": measured.scheme,
        "simulated": simulated(measured.scheme, layers.integer.layers, layers.integer.stored),
        "shared_with": measured.shared_with,
        "transitions": [
            {"before": t.before, "after": t.after, "count": t.count, "ms": t.ms} for t in layers.transitions
        ],
        "live_peak_bytes": layers.live_peak_bytes,
        "live_peak_at": layers.live_peak_at,
        "layer_samples_ms": {name: [round(ms, 4) for ms in taken] for name, taken in layers.samples.items()},
        "events": [[e.name, e.layer, e.op, _tenths(e.start_us), _tenths(e.duration_us)] for e in layers.events],
    }


def _tenths(us: float) -> float:
    """To one digit, which whole numbers lack: most are, and there are hundreds."""
    rounded = round(float(us), 1)
    return int(rounded) if rounded.is_integer() else rounded
