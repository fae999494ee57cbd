"""Step ``distill``: the student learns from data, from its teacher's output and from its teacher's features.

Source: BK-SDM (arXiv 2305.15798, training script): L = w_task·MSE(out_S, target) + w_output·MSE(out_S, out_T)
+ w_feature·Σ MSE(f_S, f_T), in fp32; the target is the noise or, for v-prediction models, the velocity. Where the
student was pruned, f_T are the teacher's channels that the student kept (its ``widths.json`` knows them).

The defaults are what brought most in the same time on the embedded model (docs/distilling.md): the teacher alone
(w_task 0, whose target is mostly noise that nobody can foresee), timesteps that cover their range in every batch.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, model_validator

from workbench.compress.distill.taught import TaughtConfig
from workbench.compress.registry import StepContext, StepResult, step
from workbench.compress.train_student import train_student
from workbench.models.unet import WEIGHTS, load_unet, save_unet
from workbench.models.widths import read_widths
from workbench.store.files import hash_file
from workbench.strict import Strict
from workbench.training.batches import Batches
from workbench.training.features import FeatureLoss
from workbench.training.loop import device, own_part
from workbench.training.precision import attention_for, chosen

if TYPE_CHECKING:
    import numpy as np
    import torch


class LossWeights(Strict):
    """Weights of the three terms."""

    task: float = Field(0.0, ge=0)
    output: float = Field(1.0, ge=0)
    feature: float = Field(1.0, ge=0)

    @model_validator(mode="after")
    def _something(self) -> LossWeights:
        if not (self.task or self.output or self.feature):
            raise ValueError("needs a weight above 0: there is nothing to learn from")
        return self


class DistillConfig(TaughtConfig):
    """Distils the U-Net from the recipe's untouched model, or from another candidate."""

    lr: float = Field(8e-4, gt=0, lt=1)
    decay: Literal["constant", "cosine", "tail"] = "tail"
    betas: tuple[Annotated[float, Field(ge=0, lt=1)], Annotated[float, Field(ge=0, lt=1)]] = Field(
        (0.9, 0.99), description="AdamW's two decays."
    )
    weight_decay: float = Field(1e-2, ge=0)
    ema: float | None = Field(
        0.99,
        gt=0,
        lt=1,
        description="Largest decay of the averaged weights: it is 0 at the first step and grows as (1 + step) / (10 + "
        "step); 0.99 is reached after 890 steps. null: the raw weights are kept.",
    )
    weights: LossWeights = LossWeights()
    feature_pairs: list[Annotated[list[str], Field(min_length=2, max_length=2)]] | None = Field(
        None, description="Pairs [teacher module, student module]; default: BK-SDM's for the two shapes."
    )
    drop_captions: float = Field(0.1, ge=0, le=1, description="Share of captions replaced by the empty one.")

    def default_name(self) -> str:
        """``distilled``."""
        return "distilled"


@step("distill", DistillConfig)
def distill(ctx: StepContext, config: DistillConfig) -> StepResult:
    """Trains the parent's U-Net against the teacher's; reports the terms at the start, at the end, and in between."""

    made = replace(ctx.parent.denoiser, path=ctx.out / ctx.parent.denoiser.name)
    folders = ctx.others.get(config.teacher, ctx.base).denoiser.path, ctx.parent.denoiser.path
    teacher, student = (load_unet(folder) for folder in folders)
    teacher.requires_grad_(False)
    widths = tuple(read_widths(folder) for folder in folders)
    default_attention = student.attn_processors
    student.set_attn_processor(attention_for(config.precision, device()))
    loss_of = _loss(ctx, config, teacher.to(device()), student, widths, device())
    optimizer = {"weight_decay": config.weight_decay, "betas": config.betas}
    student, report = train_student(ctx, config, student, loss_of, "distill", **optimizer)
    student.set_attn_processor(default_attention)
    save_unet(student, made.path, widths[1])
    report["precision"] = chosen(config.precision, device())
    return StepResult.of(made, report | {"weights_sha256": hash_file(made.path / WEIGHTS)})


def _loss(ctx: StepContext, config: DistillConfig, teacher: Any, student: Any, widths: Any, device: Any) -> Any:
    """The loss of one step for the training loop; pictures, captions, noise and timesteps come from its rng.

    The teacher lies on ``device`` already. Features are those of ``student``, also when the loop calls it through a
    wrapper.
    """
    import torch

    part = own_part(config.batch)
    batches = Batches(ctx.base.source, ctx.data, config.batch, config.drop_captions, device, part)
    pairs = [(t, s) for t, s in config.feature_pairs] if config.feature_pairs else None
    features = FeatureLoss(teacher, student, pairs, widths) if config.weights.feature else None
    weights = config.weights.model_dump()
    # Where only the task counts, nobody teaches: it saves a quarter of a step, and the report has no other terms.
    imitates = config.weights.output > 0 or config.weights.feature > 0
    mse = torch.nn.functional.mse_loss

    def loss_of(model: Any, _step: int, rng: np.random.Generator) -> dict[str, torch.Tensor]:
        batch = batches.draw(rng)
        if imitates:
            with torch.no_grad():
                out_teacher = teacher(batch.noisy, batch.timesteps, batch.states).sample.float()
        out = model(batch.noisy, batch.timesteps, batch.states).sample.float()
        terms = {"task": mse(out, batch.target)}
        if imitates:
            terms["output"] = mse(out, out_teacher)
        if features:
            terms["feature"] = features()
        return {"loss": sum(weights[name] * term for name, term in terms.items()), **terms}

    return loss_of
