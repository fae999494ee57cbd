"""Step ``quantize``: post-training static quantization of the U-Net, weights and activations in 8 bit."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, field_validator

from workbench.compress import policies
from workbench.compress.calibration import Denoise, Inputs, Method, Ranges, Trajectory
from workbench.compress.linears import biased_linears_as_gemm
from workbench.compress.nncf_openvino import quantize_openvino
from workbench.compress.nncf_qdq import quantize_nncf
from workbench.compress.policies import Layer, Policy
from workbench.compress.qdq import nodes_of, quantize_qdq, tensors_of
from workbench.compress.registry import StepConfig, StepContext, StepResult, Strict, step
from workbench.data.captioned import captions
from workbench.errors import InputError, RunError
from workbench.export import openvino
from workbench.export.graph_macs import int8_shares, node_costs
from workbench.export.load import runner, session
from workbench.export.openvino_graph import openvino_costs
from workbench.export.verify import sqnr_db
from workbench.models.candidate import Component

if TYPE_CHECKING:
    import numpy as np
    import onnx_ir as ir

Timestep = Annotated[int, Field(ge=0, le=999)]
HELD_BACK = 2
"""Prompts that calibration doesn't see; the SQNR in the report is taken on their trajectories."""


class Calibration(Strict):
    """Where the ranges of activations come from: the parent's own denoising trajectories."""

    prompts: int = Field(default=8, ge=1, le=100_000, description="Prompts drawn, from the data's training captions.")
    prompts_from: str | None = Field(default=None, description="Text file, one prompt a line, instead of the captions.")
    steps: int = Field(default=10, ge=1, le=1000, description="Denoising steps of each trajectory.")
    timesteps: list[Timestep] | None = Field(
        default=None,
        min_length=1,
        description="Only inputs at the trajectory's timesteps nearest to these; default: all.",
    )
    guidance_scale: float = Field(default=3.0, ge=1.0, le=50.0)
    unconditional: bool = Field(default=True, description="Inputs without prompt as well.")
    method: Method = Field(default="minmax", description="minmax, or moving_average of each pass's extremes.")


class Exempt(Strict):
    """Layers that stay float32."""

    policy: Policy = Field(default="nvidia", description="A named set of layers.")
    patterns: list[str] = Field(default_factory=list, description="More layers: regular expressions over paths.")

    @field_validator("patterns")
    @classmethod
    def _regular(cls, patterns: list[str]) -> list[str]:
        import re

        for pattern in patterns:
            try:
                re.compile(pattern)
            except re.error as error:
                raise ValueError(f"{pattern!r} is no regular expression: {error}") from error
        return patterns


class QuantizeConfig(StepConfig):
    """Quantizes the U-Net's convolutions and linears; attention products, text encoder and decoder stay float32."""

    gives: ClassVar[Literal["torch", "onnx"]] = "onnx"

    scheme: Literal["w8a8"] = "w8a8"
    backend: Literal["onnxruntime", "nncf", "openvino"] = Field(
        default="onnxruntime",
        description="Who places the scales, and in which format; nncf (ONNX) is slower on onnxruntime, openvino is "
        "NNCF in OpenVINO's own format, which OpenVINO alone runs.",
    )
    per_channel: bool = Field(default=True, description="One weight scale per output channel (NNCF: always).")
    calibration: Calibration = Calibration()
    exempt: Exempt = Exempt()

    def default_name(self) -> str:
        """The scheme."""
        return self.scheme

    def files(self) -> Mapping[str, Path]:
        """The file of prompts, if one is named."""
        named = self.calibration.prompts_from
        return {"calibration.prompts_from": Path(named)} if named else {}

    def check(self, _unet_config: Mapping[str, Any], _names: Sequence[str], /) -> list[tuple[str, str]]:
        """Whether the backend's library is there."""
        if self.backend != "openvino" or openvino.installed():
            return []
        return [("backend", f"found 'openvino', which is not installed; {openvino.INSTALL}")]


@step(
    "quantize",
    QuantizeConfig,
    code=(
        *(f"workbench.compress.{name}" for name in ("calibration", "linears", "nncf_qdq", "policies", "qdq")),
        "workbench.compress.nncf_openvino",
        "workbench.models.scheduler",
        *(f"workbench.export.{name}" for name in ("graph_macs", "load", "names", "onnx", "openvino", "openvino_graph")),
    ),
    libraries=(
        *("torch", "diffusers", "transformers", "onnx", "onnxruntime", "onnxscript", "nncf"),
        *(["openvino"] if openvino.installed() else []),
    ),
)
def quantize(context: StepContext, config: QuantizeConfig) -> StepResult:
    """Quantizes the parent's U-Net by ranges from its own trajectories; the other components stay as they are.

    Raises:
        InputError: a pattern matches no layer, or there are no prompts.
        RunError: the quantized model gives numbers that aren't finite.
    """
    parent = context.export(context.parent, "unet")
    in_openvino = config.backend == "openvino"
    out = context.out / "unet" / ("model.xml" if in_openvino else "model.onnx")
    layers = [
        Layer(c.layer, "Conv" if c.op == "Conv" else "Linear", c.weights, c.macs)
        for c in node_costs(parent)
        if c.weights
    ]
    exempt = policies.exempt(layers, config.exempt.policy, config.exempt.patterns)
    chosen = [layer.path for layer in layers if layer.path not in exempt]
    trajectory = Trajectory(
        context.base.source,
        context.export(context.parent, "text_encoder"),
        config.calibration.steps,
        config.calibration.guidance_scale,
        config.calibration.timesteps,
        config.calibration.unconditional,
    )
    prompts, held_back = _prompts(context, config.calibration)
    plain = session(parent)
    context.state.mkdir(parents=True, exist_ok=True)

    start = time.monotonic()
    if config.backend == "onnxruntime":
        model = _in_memory(parent)
        biased_linears_as_gemm(model, chosen)
        passes = _by_ranges(model, chosen, config, trajectory, prompts, plain, context, out)
    else:
        samples = list(_walk(context, trajectory, prompts, lambda inputs, _keep: plain.run(None, inputs)[0]))
        passes = len(samples)
        if in_openvino:
            quantize_openvino(parent, chosen, samples, out)
        else:
            quantize_nncf(_in_memory(parent), chosen, samples, out)
    seconds = time.monotonic() - start

    after = openvino_costs(out) if in_openvino else node_costs(out)
    by_path = {layer.path: layer for layer in layers}
    report = {
        "scheme": config.scheme,
        "backend": config.backend,
        "seconds": round(seconds, 1),
        "layers_quantized": len(chosen),
        "layers_exempt": [
            {"layer": path, "reason": why, "weights": by_path[path].weights, "macs": by_path[path].macs}
            for path, why in sorted(exempt.items())
        ],
        "exemptions": {"policy": config.exempt.policy, **policies.cost(layers, exempt)},
        "int8_share": int8_shares(after),
        "calibration": {
            "n": passes,
            "prompts": len(prompts),
            "timesteps": trajectory.kept(),
            "unconditional": config.calibration.unconditional and config.calibration.guidance_scale > 1,
            "method": config.calibration.method if config.backend == "onnxruntime" else "nncf",
        },
        "size_bytes": {"before": _size(parent), "after": _size(out)},
        "sqnr_db": _agreement(plain, runner(out), trajectory, held_back, context.seed + 1),
    }
    return StepResult({"unet": Component("unet", "openvino" if in_openvino else "onnx", out, config.scheme)}, report)


def _in_memory(path: Path) -> ir.Model:
    """The model with its weights, which the quantizers couldn't find beside a file that they aren't told of."""
    import onnx_ir as ir

    model = ir.load(path)
    ir.external_data.load_to_model(model)
    return model


def _by_ranges(
    model: Any,
    chosen: Sequence[str],
    config: QuantizeConfig,
    trajectory: Trajectory,
    prompts: Sequence[str],
    plain: Any,
    context: StepContext,
    out: Path,
) -> int:
    """The ONNX Runtime backend; returns over how many passes the ranges were taken."""
    from workbench.export.onnx import save

    prepared = context.state / "prepared.onnx"
    save(model, prepared)
    ranges = Ranges(prepared, tensors_of(nodes_of(model, chosen)), context.state, config.calibration.method)

    def denoise(inputs: Inputs, keep: bool) -> np.ndarray:
        return ranges.run(inputs) if keep else plain.run(None, inputs)[0]

    for _ in _walk(context, trajectory, prompts, denoise):
        pass
    quantize_qdq(model, chosen, ranges.result(), config.per_channel, out)
    return ranges.passes


def _walk(context: StepContext, trajectory: Trajectory, prompts: Sequence[str], denoise: Denoise) -> Iterator[Inputs]:
    both = trajectory.unconditional and trajectory.guidance_scale > 1
    passes = len(prompts) * len(trajectory.kept()) * (2 if both else 1)
    with context.progress("calibrate", passes) as tick:
        for done, inputs in enumerate(trajectory.walk(prompts, context.seed, denoise), 1):
            tick(done)
            yield inputs


def _prompts(context: StepContext, wanted: Calibration) -> tuple[list[str], list[str]]:
    """Prompts to calibrate with and prompts held back, chosen by the seed."""
    import random

    if wanted.prompts_from:
        found = [line.strip() for line in Path(wanted.prompts_from).read_text().splitlines() if line.strip()]
        if not found:
            raise InputError(f"quantize.calibration.prompts_from: {wanted.prompts_from} holds no prompts")
    else:
        found = list(dict.fromkeys(captions(context.data, context.base.source)))
        random.Random(context.seed).shuffle(found)
    # Those at the end are held back, the same ones however many calibrate. With no others, they calibrate too: the
    # check then differs in its noise alone.
    return (found[:-HELD_BACK] or found)[: wanted.prompts], found[-HELD_BACK:]


def _agreement(plain: Any, quantized: Any, trajectory: Trajectory, prompts: Sequence[str], seed: int) -> dict[str, Any]:
    """SQNR of the quantized U-Net against its parent on the parent's trajectories: median, extremes, by timestep."""
    import statistics

    import numpy as np

    last: list[np.ndarray] = []

    def denoise(inputs: Inputs, _keep: bool) -> np.ndarray:
        last[:] = [plain.run(None, inputs)[0]]
        return last[0]

    found: dict[int, list[float]] = {}
    for inputs in trajectory.walk(prompts, seed, denoise):
        other = quantized.run(None, inputs)[0]
        if not np.isfinite(other).all():
            raise RunError("the quantized U-Net gives numbers that aren't finite")
        found.setdefault(int(inputs["timestep"][0]), []).append(sqnr_db(last[0], other))
    values = [value for row in found.values() for value in row]
    return {
        "median": statistics.median(values),
        "min": min(values),
        "max": max(values),
        "n": len(values),
        "unit": "dB",
        "by_timestep": {str(t): statistics.median(row) for t, row in found.items()},
    }


def _size(path: Path) -> int:
    return sum(file.stat().st_size for file in openvino.openvino_files(path))
