"""What a recipe says of ``quantize``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from workbench.compress.quantize.backends import backends
from workbench.compress.quantize.calibration.samples import Calibration
from workbench.compress.quantize.policies import Policy
from workbench.compress.quantize.weights.groups import GroupSize
from workbench.compress.quantize.weights.rounding import Rounding
from workbench.compress.registry import StepConfig
from workbench.models.families import component_names, denoisers, family_of, modules, policies
from workbench.models.patterns import Pattern
from workbench.models.schemes import SCHEMES, SchemeName
from workbench.models.unet import CLASS as UNET
from workbench.store.processor import int8_overflows
from workbench.strict import Strict
from workbench.training.precision import Precision

if TYPE_CHECKING:
    from workbench.forecast.cost import Cost, Facts

    BackendName = str
    ComponentName = str
else:
    BackendName = Literal[tuple(backends())]
    ComponentName = Literal[component_names()]
DEFAULT_POLICY: Mapping[str, Policy] = {
    "w8a8": "nvidia",
    "w8a16": "edgefusion",
    "w4a16": "edges",
    "w4a8": "nvidia",
    "fp16": "none",
}
"""What stays in float where the recipe names no policy: with 16-bit activations nothing needs to."""
DEFAULT_ROUNDING: Mapping[str, Rounding] = {"w8a8": "mse", "w8a16": "gptq", "w4a16": "gptq", "w4a8": "gptq"}
"""As measured by benchmarks/rounding.py; w8a8's error is that of its activations, so the quicker one will do."""


class QatWeights(Strict):
    """Weights of the loss's terms; ``output`` and ``feature`` are measured against the float parent."""

    output: float = Field(1.0, ge=0)
    feature: float = Field(1.0, ge=0)
    task: float = Field(0.0, ge=0, description="Against the noise (or velocity) that was added.")


class Qat(Strict):
    """How a quantized U-Net is trained."""

    steps: int = Field(200, ge=1, le=10_000_000, description="Optimiser steps.")
    batch: int = Field(16, ge=1, le=4096, description="Pictures a step, shared evenly by the processes that train.")
    step_lr: float = Field(0.005, gt=0, lt=1, description="Learning rate of quantized weights, in steps of their grid.")
    lr: float = Field(5e-5, gt=0, lt=1, description="Learning rate of all other weights, of biases and norms.")
    scale_lr: float = Field(1e-3, ge=0, lt=1, description="Of the weights' scales, as a share of each; 0: they stay.")
    range_lr: float = Field(0.01, ge=0, lt=1, description="Of the activations' ranges, likewise.")
    warmup: int = Field(10, ge=0)
    decay: Literal["constant", "cosine", "tail"] = "cosine"
    clip: float = Field(1.0, gt=0, description="Largest norm of the gradient.")
    ema: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="Largest decay of averaged weights: it is 0 at the first step and grows as (1 + step) / (10 + "
        "step); 0.95 is reached after 170 steps. null: the last weights are kept.",
    )
    weights: QatWeights = QatWeights()
    drop_captions: float = Field(0.1, ge=0, le=1, description="Share of captions replaced by the empty one.")
    # On the demo's U-Net bf16 took 0.1 to 0.2 dB of QAT's gain and saved a tenth of the time.
    precision: Precision = "fp32"
    save_every: int = Field(25, ge=1, description="Steps between checkpoints.")


class Exempt(Strict):
    """Layers that stay float, and diffusion's special cases; what isn't named follows the policy."""

    policy: Policy | None = Field(default=None, description="A published set; default: the scheme's.")
    patterns: list[Pattern] = Field(
        default_factory=list, max_length=30, description="More layers: regular expressions over paths."
    )
    shortcut_split: bool | None = Field(
        default=None,
        description="Two scales where an up block's shortcut takes a concatenation (Q-Diffusion, section 4.2).",
    )
    first_token: bool | None = Field(
        default=None, description="Keys and values of the first text token stay float, computed beforehand (MixDQ)."
    )
    attention: Literal["float", "quantized"] | None = Field(
        default=None, description="Attention's own two products; w8a8 and w4a8 only."
    )
    softmax_bits: Literal[8, 16] | None = Field(
        default=None, description="Of the softmax's output where attention is quantized (Q-Diffusion: 16)."
    )


@dataclass(frozen=True)
class Special:
    """``softmax_bits``: of the softmax's output; None leaves attention's own products in float."""

    split: bool
    first_token: bool
    softmax_bits: int | None


class QuantizeConfig(StepConfig):
    """Quantizes convolutions and linears of the named components; ``workbench schemes`` says what a runtime gains."""

    scheme: SchemeName = "w8a8"
    components: list[ComponentName] | None = Field(
        default=None,
        min_length=1,
        description="Which networks; several steps give them different schemes. Default: the denoiser.",
    )
    method: Literal["ptq", "qat"] = Field(default="ptq", description="After training, or with training (U-Net only).")
    backend: BackendName = Field(
        default=next(iter(backends())),
        description="Who places the scales, and in which format. "
        + " ".join(f"{name}: {one.about}." for name, one in backends().items()),
    )
    granularity: Literal["per_tensor", "per_channel", "group"] | None = Field(
        default=None, description="Weights that share a scale; default: per_channel with 8 bits, group with 4."
    )
    group_size: GroupSize | None = Field(
        default=None, description="With granularity group; default: each layer's own, up to 128."
    )
    rounding: Rounding | None = Field(
        default=None,
        description="Of weights: nearest; mse (scale search); gptq. Default: gptq; w8a8: mse.",
    )
    unpack: Literal["load", "pass"] = Field(
        default="load",
        description="w4a16's convolutions: unpacked once, as fast and as large in memory as float, or in every pass.",
    )
    calibration: Calibration = Calibration()
    exempt: Exempt = Exempt()
    qat: Qat = Qat()

    def default_name(self) -> str:
        """The scheme, and how it came about where that is by training."""
        return self.scheme if self.method == "ptq" else f"{self.scheme}_qat"

    @property
    def reads_data(self) -> bool:
        """Pictures train; captions calibrate."""
        return self.trains or (self.scheme != "fp16" and self.calibration.prompts_from is None)

    def reached(self) -> frozenset[str]:
        """The backend, what opens its files, and the policies."""
        return backends()[self.backend].code | modules("policies")

    def unreached(self) -> frozenset[str]:
        """Training, where the scheme is made after it."""
        return frozenset() if self.method == "qat" else frozenset({"workbench.compress.quantize.qat"})

    @property
    def trains(self) -> bool:
        """With method qat."""
        return self.method == "qat"

    @property
    def denoiser_class(self) -> str | None:
        """What is trained has to be a U-Net."""
        return UNET if self.trains else None

    def takes(self) -> frozenset[str]:
        """The components."""
        return frozenset(self.components or denoisers())

    def leaves_files(self) -> frozenset[str]:
        """The components."""
        return self.takes()

    def files(self) -> Mapping[str, Path]:
        """The file of prompts, if one is named."""
        named = self.calibration.prompts_from
        return {"calibration.prompts_from": Path(named)} if named else {}

    def machine(self) -> Mapping[str, Any]:
        """Whether 8-bit products overflow, where the backend then leaves one of the weights' bits unused."""
        integer = backends()[self.backend].spares_a_bit and SCHEMES[self.scheme].integer_activations
        return {"int8_overflows": True} if integer and int8_overflows() else {}

    def cost(self, facts: Facts) -> Cost:
        """The parent's passes while it is looked at, rounding, the check; training, where it is asked."""
        from workbench.compress.quantize.forecast import cost_of

        return cost_of(self, facts)

    @property
    def sizes(self) -> Mapping[str, int]:
        """Of calibration and of training."""
        trained = {"qat.steps": self.qat.steps} if self.trains else {}
        return trained | {"calibration.prompts": self.calibration.prompts, "calibration.steps": self.calibration.steps}

    def how_weights(self) -> tuple[str, Rounding]:
        """Granularity and rounding, the scheme's default where none is named."""
        grouped = self.group_size or SCHEMES[self.scheme].weight_bits == 4
        granularity = self.granularity or ("group" if grouped else "per_channel")
        return granularity, self.rounding or DEFAULT_ROUNDING[self.scheme]

    def policy(self) -> Policy:
        """The policy, the scheme's default where none is named."""
        return self.exempt.policy or DEFAULT_POLICY[self.scheme]

    def special(self) -> Special:
        """Diffusion's special cases, the policy's where none is named; weights alone have none."""
        policy, exempt = policies()[self.policy()], self.exempt
        integer = SCHEMES[self.scheme].integer_activations
        attention = (exempt.attention or policy.attention) == "quantized"
        return Special(
            split=integer and (policy.shortcut_split if exempt.shortcut_split is None else exempt.shortcut_split),
            first_token=integer and (policy.first_token if exempt.first_token is None else exempt.first_token),
            softmax_bits=(exempt.softmax_bits or policy.softmax_bits or 8) if integer and attention else None,
        )

    @property
    def draws(self) -> Mapping[str, int]:
        """Those of calibration."""
        return {"calibration.steps": self.calibration.steps}

    def check(self, unet_config: Mapping[str, Any], _names: Sequence[str], /) -> Iterator[tuple[str, str]]:
        """What doesn't go together, libraries that aren't there, groups and patterns that don't fit the U-Net."""
        from workbench.compress.quantize.check import problems

        yield from problems(self, unet_config)

    def doubts(self, runtimes: Sequence[str]) -> Iterator[tuple[str, str]]:
        """Runtimes that can't run the files, or compute the scheme in float."""
        from workbench.compress.quantize.check import doubts

        yield from doubts(self, runtimes)

    def check_model(self, folder: Path) -> Iterator[tuple[str, str]]:
        """Components that the model hasn't."""
        known = family_of(folder).names
        for i, name in enumerate(self.components or ()):
            if name not in known:
                yield f"components.{i}", f"found {name!r}; this model has {', '.join(known)}"
