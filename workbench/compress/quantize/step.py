"""Step ``quantize``: one scheme for some of a pipeline's networks, after training or with training."""

from __future__ import annotations

import statistics
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.compress.quantize import policies
from workbench.compress.quantize.calibration.samples import Samples
from workbench.compress.quantize.config import QuantizeConfig
from workbench.compress.quantize.fp16 import to_fp16
from workbench.compress.quantize.nncf.onnx import quantize_nncf
from workbench.compress.quantize.nncf.openvino import compress_openvino, quantize_openvino, weight_bits
from workbench.compress.quantize.onnx.first_token import first_state
from workbench.compress.quantize.onnx.quantizer import Quantizer, Settings, by_layer, by_tensor, in_memory
from workbench.compress.quantize.policies import Layer
from workbench.compress.quantize.weights.groups import group_problem
from workbench.compress.registry import StepContext, StepResult, step
from workbench.errors import InputError, RunError
from workbench.graphs.costs import int8_shares, node_costs
from workbench.measure.sqnr import sqnr_db
from workbench.models.candidate import Component
from workbench.models.schemes import SCHEMES
from workbench.runtimes.load import file_size, format_of, runner
from workbench.runtimes.onnxruntime.session import session

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
    if config.backend == "onnxruntime" and config.scheme != "fp16":
        granularity, rounding = config.how_weights()
        report |= {"granularity": granularity, "group_size": config.group_size, "rounding": rounding}
    report |= {"seconds": round(time.monotonic() - start, 1), "components": reports}
    return StepResult(made, report | ({"training": training} if training else {}))


def _component(context: StepContext, config: QuantizeConfig, name: str) -> tuple[Component, dict[str, Any]]:
    """One network: what it becomes, and what is to be said of it."""
    parent = context.export(context.parent, name)
    in_openvino = config.backend == "openvino"
    out = context.out / name / ("model.xml" if in_openvino else "model.onnx")
    costs = [c for c in node_costs(parent) if c.weights]
    layers = [Layer(c.layer, "Conv" if c.op == "Conv" else "Linear", c.weights, c.macs) for c in costs]
    exempt = policies.exempt(layers, config.policy(), config.exempt.patterns, component=name)
    chosen = [layer.path for layer in layers if layer.path not in exempt]
    if not chosen:
        raise InputError(f"quantize.exempt: all {len(layers)} layers of the {name} are exempt; nothing is left")
    samples = Samples(context, name, config.calibration)
    start = time.monotonic()
    if config.backend != "onnxruntime":
        report = _by_nncf(config, samples, parent, chosen, out)
    elif config.scheme == "fp16":
        to_fp16(in_memory(parent), exempt, out)
        report = {}
    else:
        report = _in_onnx(context, config, samples, parent, chosen, out)
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
        "sqnr_db": _agreement(session(parent), runner(out), samples),
    }
    return Component(name, "openvino" if in_openvino else "onnx", out, config.scheme), report


def _by_nncf(config: QuantizeConfig, samples: Samples, parent: Path, chosen: list[str], out: Path) -> dict[str, Any]:
    if not SCHEMES[config.scheme].integer_activations:
        compress_openvino(parent, chosen, config.group_size, out)
        return {}
    plain = session(parent)
    seen = list(samples.calibrate(lambda inputs, _kept: plain.run(None, inputs)[0]))
    report: dict[str, Any] = {"calibration": {**samples.summary(), "method": "nncf"}}
    if config.backend == "openvino":
        quantize_openvino(parent, chosen, seen, out)
        report["weight_bits_used"] = weight_bits(out)
    else:
        quantize_nncf(in_memory(parent), chosen, seen, out)
    return report


def _in_onnx(
    context: StepContext, config: QuantizeConfig, samples: Samples, parent: Path, chosen: list[str], out: Path
) -> dict[str, Any]:
    """By our own ranges and rounding; trained where the method is qat."""
    granularity, rounding = config.how_weights()
    special = config.special()
    first = None
    if special.first_token and samples.denoises:
        text = context.export(context.parent, context.base.family.prompt_encoder.name)
        first = first_state(text, context.base.source / "tokenizer")
    settings = Settings(
        scheme=config.scheme,
        granularity=granularity,
        group_size=config.group_size,
        rounding=rounding,
        unpack=config.unpack,
        split=special.split,
        first_state=first,
        softmax_bits=special.softmax_bits,
    )
    quantizer = Quantizer(parent, chosen, settings, context.state)
    widths = quantizer.widths()
    wrong = group_problem(widths, config.group_size) if config.group_size else None
    if wrong:
        raise InputError(f"quantize.group_size: {wrong}")
    found = quantizer.gather(samples)
    report: dict[str, Any] = {
        "calibration": samples.summary() | {"passes": found.passes},
        "seconds_of": {key: round(value, 1) for key, value in found.seconds.items()},
        "rounded_by_scale_search": found.by_scale_search,
    }
    if config.method == "ptq":
        quantizer.write(found.rounded, found.ranges, out)
    else:
        from workbench.compress.quantize.qat import train_quantized

        nodes, bits = quantizer.nodes(), SCHEMES[config.scheme].activation_bits
        start_at = by_layer(nodes, found, bits, outputs=config.scheme == "w8a8")
        trained = train_quantized(context, config.qat, *start_at, context.out / "trained")
        candidate = context.parent.with_denoiser(trained.folder)
        report["training"] = trained.report
        quantizer.write_trained(context.export(candidate, samples.component), *by_tensor(nodes, trained), out)
    return report | quantizer.notes()


def _agreement(plain: Any, quantized: Any, samples: Samples) -> dict[str, Any]:
    """SQNR of the quantized network against its parent on inputs held back: mean, median, extremes, by timestep."""
    import numpy as np

    last: list[np.ndarray] = []

    def run(inputs: Inputs, _keep: bool) -> np.ndarray:
        last[:] = [plain.run(None, inputs)[0]]
        return last[0]

    found: dict[int, list[float]] = {}
    for inputs in samples.held_back(run):
        other = quantized.run(None, inputs)[0]
        if not np.isfinite(other).all():
            raise RunError(f"the quantized {samples.component} gives numbers that aren't finite")
        found.setdefault(int(inputs["timestep"][0]) if "timestep" in inputs else 0, []).append(sqnr_db(last[0], other))
    values = [value for row in found.values() for value in row]
    summary = {
        "mean": statistics.fmean(statistics.fmean(row) for row in found.values()),
        "median": statistics.median(values),
        "min": min(values),
        "max": max(values),
        "n": len(values),
        "unit": "dB",
    }
    if not samples.denoises:
        return summary
    return summary | {"by_timestep": {str(t): statistics.median(row) for t, row in found.items()}}
