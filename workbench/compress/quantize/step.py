"""Step ``quantize``: one scheme for some of a pipeline's networks, after training or with training."""

from __future__ import annotations

import statistics
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.compress.quantize import policies
from workbench.compress.quantize.backends import Task, backends
from workbench.compress.quantize.calibration.samples import Samples
from workbench.compress.quantize.config import QuantizeConfig
from workbench.compress.quantize.policies import Layer
from workbench.compress.registry import StepContext, StepResult, step
from workbench.errors import InputError, RunError
from workbench.graphs.costs import int8_shares, node_costs
from workbench.measure.sqnr import sqnr_db
from workbench.models.candidate import Component
from workbench.models.schemes import SCHEMES
from workbench.runtimes.load import file_size, format_of, runner

if TYPE_CHECKING:
    import numpy as np

    from workbench.compress.quantize.calibration.trajectory import Inputs


@step("quantize", QuantizeConfig)
def quantize(context: StepContext, config: QuantizeConfig) -> StepResult:
    """Quantizes the named components by what they see on the parent's own trajectories; the others stay as they are.

    Raises:
        InputError: a pattern matches no layer, a group doesn't divide, or there are no prompts.
        RunError: a quantized model gives numbers that aren't finite.
    """
    start = time.monotonic()
    context.state.mkdir(parents=True, exist_ok=True)
    made: dict[str, Component] = {}
    reports: dict[str, Any] = {}
    training = None
    for name in config.components or [context.base.family.denoiser.name]:
        made[name], reports[name] = _component(context, config, name)
        training = reports[name].pop("training", training)
    report: dict[str, Any] = {"scheme": config.scheme, "method": config.method, "backend": config.backend}
    if "rounding" in backends()[config.backend].settings and SCHEMES[config.scheme].integer_weights:
        granularity, rounding = config.how_weights()
        report |= {"granularity": granularity, "group_size": config.group_size, "rounding": rounding}
    report |= {"seconds": round(time.monotonic() - start, 1), "components": reports}
    return StepResult(made, report | ({"training": training} if training else {}))


def _component(context: StepContext, config: QuantizeConfig, name: str) -> tuple[Component, dict[str, Any]]:
    """One network quantized, and its report."""
    parent = context.export(context.parent, name)
    backend = backends()[config.backend]
    out = context.out / name / f"model{backend.suffix}"
    costs = [c for c in node_costs(parent) if c.weights]
    layers = [Layer(c.layer, c.weights, c.macs) for c in costs]
    exempt = policies.exempt(layers, config.policy(), config.exempt.patterns, component=name)
    chosen = [layer.path for layer in layers if layer.path not in exempt]
    if not chosen:
        raise InputError(f"quantize.exempt: all {len(layers)} layers of the {name} are exempt; nothing is left")
    samples = Samples(context, name, config.calibration)
    start = time.monotonic()
    report = backend.make(Task(context, config, samples, parent, chosen, exempt, out))
    by_path = {layer.path: layer for layer in layers}
    report = {
        "layers_quantized": len(chosen),
        "layers_exempt": [
            {"layer": path, "reason": why, "weights": by_path[path].weights, "macs": by_path[path].macs}
            for path, why in sorted(exempt.items())
        ],
        "exemptions": {"policy": config.policy(), **policies.cost(layers, exempt)},
        "int8_share": int8_shares(format_of(out).costs(out)),
        **report,
        "seconds": round(time.monotonic() - start, 1),
        "size_bytes": {"before": file_size(parent), "after": file_size(out)},
        "sqnr_db": _agreement(parent, out, samples),
    }
    return Component(name, backend.kind, out, config.scheme), report


def _agreement(parent: Path, out: Path, samples: Samples) -> dict[str, Any]:
    """SQNR of the quantized network against its parent on inputs held back: mean, median, extremes, by timestep.

    One network is in memory at a time; what the parent gave is kept, 64 kB a pass at full size.
    """
    import numpy as np

    seen = _held_back(parent, samples)
    quantized = runner(out)
    by_step: dict[int, list[float]] = {}
    for inputs, expected in seen:
        other = quantized.run(None, inputs)[0]
        if not np.isfinite(other).all():
            raise RunError(f"the quantized {samples.component} gives numbers that aren't finite")
        by_step.setdefault(int(inputs["timestep"][0]) if "timestep" in inputs else 0, []).append(
            sqnr_db(expected, other)
        )
    values = [value for row in by_step.values() for value in row]
    summary = {
        "mean": statistics.fmean(statistics.fmean(row) for row in by_step.values()),
        "median": statistics.median(values),
        "min": min(values),
        "max": max(values),
        "n": len(values),
        "unit": "dB",
    }
    if not samples.denoises:
        return summary
    return summary | {"by_timestep": {str(t): statistics.median(row) for t, row in by_step.items()}}


def _held_back(parent: Path, samples: Samples) -> list[tuple[Inputs, np.ndarray]]:
    """The inputs that calibration doesn't see, with the parent's output for each."""
    plain, last = runner(parent), {}

    def run(inputs: Inputs, _kept: bool) -> np.ndarray:
        out: np.ndarray = plain.run(None, inputs)[0]
        last["out"] = out
        return out

    return [(inputs, last["out"]) for inputs in samples.held_back(run)]
