"""What a recipe says of quantization-aware training."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from workbench.strict import Strict
from workbench.training.precision import Precision


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
