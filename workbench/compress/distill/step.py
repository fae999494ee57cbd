"""Step ``distill``: the student learns from data, from its teacher's output and from its teacher's features.

Source: BK-SDM (arXiv 2305.15798, training script): L = w_task·MSE(out_S, target) + w_output·MSE(out_S, out_T)
+ w_feature·Σ MSE(f_S, f_T), in fp32; the target is the noise or, for v-prediction models, the velocity. Where the
student was pruned, f_T are the teacher's channels that the student kept (its ``widths.json`` knows them).

The defaults are what brought most in the same time on the embedded model (docs/distilling.md): the teacher alone
(w_task 0, whose target is mostly noise that nobody can foresee), timesteps that cover their range in every batch, a
start by least squares, and each answer of the teacher used in four steps.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, model_validator

from workbench.compress.distill.fit import PICTURES, POSITIONS, feature_pairs, fit, stands_for
from workbench.compress.distill.taught import TaughtConfig
from workbench.compress.registry import StepContext, StepResult, step
from workbench.compress.train_student import train_student
from workbench.models.read_json import read_object
from workbench.models.unet import WEIGHTS, load_frozen, load_unet, save_unet
from workbench.models.widths import read_widths
from workbench.store.files import hash_file, write_atomic
from workbench.strict import Strict
from workbench.training.batches import Batches
from workbench.training.features import FeatureLoss, published_pairs
from workbench.training.lessons import Lesson, Lessons
from workbench.training.loop import STATE, device, own_part, step_rng
from workbench.training.precision import attention_for, autocast, chosen

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

    batch: int = Field(16, ge=1, le=4096, description="Pictures a step, shared evenly by the processes that train.")
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
    start: Literal["fitted", "copied"] = Field(
        "fitted",
        description="A student that is freshly cut from its teacher starts with its last maps fitted to the teacher's "
        "activations, or as it was cut.",
    )
    reuse: int = Field(
        4,
        ge=1,
        le=64,
        description="The teacher sees a new batch in every so many steps; its answers are kept, and those between "
        "learn from a mixture of them.",
    )
    drop_captions: float = Field(0.1, ge=0, le=1, description="Share of captions replaced by the empty one.")

    @property
    def imitates(self) -> bool:
        """Whether anybody teaches: where only the task counts, nobody does."""
        return self.weights.output > 0 or self.weights.feature > 0

    @property
    def teacher_passes(self) -> float:
        """One batch in ``reuse``."""
        return 1 / self.reuse if self.imitates else 0

    def default_name(self) -> str:
        """``distilled``."""
        return "distilled"


_BEFORE_ALL = 1 << 40
"""In place of a step's number, where pictures are drawn for the fit."""


@step("distill", DistillConfig)
def distill(ctx: StepContext, config: DistillConfig) -> StepResult:
    """Trains the parent's U-Net against the teacher's; reports the terms at the start, at the end, and in between."""

    made = replace(ctx.parent.denoiser, path=ctx.out / ctx.parent.denoiser.name)
    folders = ctx.others.get(config.teacher, ctx.base).denoiser.path, ctx.parent.denoiser.path
    teacher, student = load_frozen(folders[0]), load_unet(folders[1])
    widths = tuple(read_widths(folder) for folder in folders)
    teacher.to(device())
    pairs, fitted = _started(ctx, config, teacher, student)
    default_attention = student.attn_processors
    student.set_attn_processor(attention_for(config.precision, device()))
    loss_of = _loss(ctx, config, teacher, student, widths, device(), pairs)
    optimizer = {"weight_decay": config.weight_decay, "betas": config.betas, "optimizer": config.optimizer}
    if config.gradient_checkpointing:
        student.enable_gradient_checkpointing()
    student, report = train_student(ctx, config, student, loss_of, "distill", **optimizer)
    student.set_attn_processor(default_attention)
    save_unet(student, made.path, widths[1])
    report |= {"precision": chosen(config.precision, device()), "fitted": fitted}
    return StepResult.of(made, report | {"weights_sha256": hash_file(made.path / WEIGHTS)})


def _started(
    ctx: StepContext, config: DistillConfig, teacher: Any, student: Any
) -> tuple[list[tuple[str, str]], dict[str, Any] | None]:
    """Pairs of features besides the published ones, and the report of the fit; none where the student isn't fitted."""
    wanted = config.start == "fitted" and config.imitates
    pairs = stands_for(teacher, student) if wanted else []
    if wanted and not pairs and config.teacher != "base":  # which may be the untouched model, trained
        base = load_frozen(ctx.base.denoiser.path)
        alike = [net.config.get(key) for key in ("block_out_channels", "layers_per_block") for net in (base, teacher)]
        pairs = stands_for(base, student) if alike[0] == alike[1] and alike[2] == alike[3] else []
    if not pairs:
        return [], None
    kept = ctx.state / "fit.json"
    if not (ctx.state / STATE).exists():  # else the weights come from there
        _, _, height, width = ctx.base.family.latent(ctx.base.family.configs(ctx.base.source))
        count = max(1, min(PICTURES, config.steps * config.batch, POSITIONS // (height * width)))
        batches = Batches(ctx.base.source, ctx.data, count, config.drop_captions, device())
        with ctx.progress("fit", 1) as tick, autocast(config.precision, device()):
            found = fit(teacher, student.to(device()), pairs, batches.draw(step_rng(ctx.seed, _BEFORE_ALL)))
            tick(1)
        write_atomic(kept, json.dumps(found))
    return feature_pairs(pairs, student), read_object(kept)


def _loss(
    ctx: StepContext,
    config: DistillConfig,
    teacher: Any,
    student: Any,
    widths: Any,
    device: Any,
    more_pairs: Sequence[tuple[str, str]] = (),
) -> Any:
    """The loss of one step for the training loop; pictures, captions, noise and timesteps come from its rng.

    The teacher lies on ``device`` already. Features are those of ``student``, also when the loop calls it through a
    wrapper; ``more_pairs``: of features, besides the published ones.
    """
    import torch

    part = own_part(config.batch)
    batches = Batches(ctx.base.source, ctx.data, config.batch, config.drop_captions, device, part)
    named = [(t, s) for t, s in config.feature_pairs or ()]
    pairs = named or [*published_pairs(teacher.config, student.config), *more_pairs]
    features = FeatureLoss(teacher, student, pairs, widths) if config.weights.feature else None
    weights = config.weights.model_dump()
    mse = torch.nn.functional.mse_loss

    parts = config.parts(part)

    def draw(rng: np.random.Generator) -> Lesson:
        batch = batches.draw(rng)
        if not config.imitates:  # it saves a quarter of a step, and the report has no other terms
            return Lesson(batch)
        answers = []
        for rows in parts:
            with torch.no_grad():
                output = teacher(batch.noisy[rows], batch.timesteps[rows], batch.states[rows]).sample
            answers.append((output, *(features.expected() if features else ())))
        said = answers[0] if len(answers) == 1 else [torch.cat(column) for column in zip(*answers, strict=True)]
        return Lesson(batch, said[0], tuple(said[1:]))

    lessons = Lessons(draw, config.reuse if config.imitates else 1, ctx.seed, config.batch, part)

    def loss_of(model: Any, step: int, rng: np.random.Generator) -> Iterator[dict[str, torch.Tensor]]:
        whole = lessons.at(step, rng)
        for rows in parts:
            lesson = whole.of(rows)
            batch = lesson.batch
            out = model(batch.noisy, batch.timesteps, batch.states).sample.float()
            terms = {"task": mse(out, batch.target)}
            if lesson.output is not None:
                terms["output"] = mse(out, lesson.output.float())
            if features:
                terms["feature"] = features(lesson.features)
            share = len(batch.noisy) / len(whole.batch.noisy)
            terms = {"loss": sum(weights[name] * term for name, term in terms.items()), **terms}
            yield {name: share * term for name, term in terms.items()}

    return loss_of
