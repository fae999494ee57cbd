"""Quantization-aware training: a quantized U-Net learns from its float parent, beginning at PTQ's integers and ranges.

Sources: training against the full-precision model's output as EfficientDM (arXiv 2310.03270), scales trained with the
weights as LSQ (arXiv 1902.08153), features as in distillation. What comes out has the form of what PTQ gives: integers,
scales and ranges by layer, and a U-Net whose weights lie on their grids, its biases and norms trained along.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.compress.quantize.config import Qat
from workbench.compress.registry import StepContext
from workbench.compress.train_student import train_student
from workbench.models.unet import WEIGHTS, load_frozen, load_unet, save_unet
from workbench.models.widths import read_widths
from workbench.store.files import hash_file
from workbench.training.batches import Batches
from workbench.training.features import FeatureLoss
from workbench.training.loop import device, own_part

if TYPE_CHECKING:
    import numpy as np
    import torch

    from workbench.compress.quantize.weights.grid import Activation, Rounded


@dataclass(frozen=True)
class QatResult:
    """What training made of PTQ's ``rounded``, ``inputs`` and ``outputs`` (by path of the layer).

    ``folder`` holds the trained U-Net; ``report`` is JSON.
    """

    rounded: Mapping[str, Rounded]
    inputs: Mapping[str, Activation]
    outputs: Mapping[str, Activation]
    report: Mapping[str, Any]
    folder: Path


def train_quantized(
    ctx: StepContext,
    config: Qat,
    rounded: Mapping[str, Rounded],
    inputs: Mapping[str, Activation],
    outputs: Mapping[str, Activation],
    out: Path,
) -> QatResult:
    """Trains the parent's U-Net as quantized by ``rounded``, ``inputs``, ``outputs`` and saves it to ``out``.

    The loss is Σ weight · term: ``output`` = MSE of both U-Nets' outputs, ``feature`` = Σ MSE of their blocks' outputs,
    ``task`` = MSE against the target; timesteps are drawn uniformly. Killed, it resumes from ``ctx.state`` bit for bit.

    Raises:
        RunError: a path names no convolution or linear of the U-Net, its weight has another shape, or the loss is no
            finite number.
    """
    from diffusers.models.attention_processor import AttnProcessor

    from workbench.compress.quantize.fake_quant import Rates, attach, harvest

    start = time.monotonic()
    source = ctx.parent.denoiser.path
    parent, student = load_frozen(source), load_unet(source)
    default_attention = student.attn_processors
    # The fused attention kernel has a slow backward pass on a CPU; the explicit one computes the same.
    student.set_attn_processor(AttnProcessor())
    rates = Rates(config.step_lr / config.lr, config.scale_lr / config.lr, config.range_lr / config.lr)
    attached = attach(student, rounded, inputs, outputs, rates)
    loss_of = _loss(ctx, config, parent.to(device()), student, device())
    student, report = train_student(ctx, config, student, loss_of, "train quantized", weight_decay=0.0)
    rounded, inputs, outputs = harvest(attached)
    student.set_attn_processor(default_attention)
    save_unet(student, out, read_widths(source))
    report |= {"weights_sha256": hash_file(out / WEIGHTS), "seconds": round(time.monotonic() - start, 1)}
    return QatResult(rounded, inputs, outputs, report, out)


def _loss(ctx: StepContext, config: Qat, parent: Any, student: Any, device: Any) -> Any:
    """The loss of one step for the training loop; pictures, captions, noise and timesteps come from its rng.

    The parent lies on ``device`` already. Features are those of ``student``, also when the loop calls it through a
    wrapper.
    """
    import torch

    part = own_part(config.batch)
    batches = Batches(ctx.base.source, ctx.data, config.batch, config.drop_captions, device, part)
    features = FeatureLoss(parent, student, None) if config.weights.feature else None
    mse = torch.nn.functional.mse_loss
    weights = config.weights.model_dump()

    def loss_of(model: Any, _step: int, rng: np.random.Generator) -> dict[str, torch.Tensor]:
        batch = batches.draw(rng)
        with torch.no_grad():
            target = parent(batch.noisy, batch.timesteps, batch.states).sample.float()
        output = model(batch.noisy, batch.timesteps, batch.states).sample.float()
        terms = {"output": mse(output, target), "task": mse(output, batch.target)}
        if features:
            terms["feature"] = features()
        return {"loss": sum(weights[name] * term for name, term in terms.items()), **terms}

    return loss_of
