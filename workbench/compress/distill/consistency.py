"""Step ``distill_consistency``: the student learns to draw in a few steps, without a second pass for guidance.

Source: Latent Consistency Models (arXiv 2310.04378), as diffusers' distillation script trains them, except that the
student's shape may differ from the teacher's (EdgeFusion, arXiv 2404.11925): f(z, t) jumps to the clean latent, and
has to agree with the jump of its averaged weights after one guided step of the teacher from there. The average's decay
isn't constant as there, but grows to the recipe's (``training.loop.Schedule``).
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field, model_validator

from workbench.compress.distill.taught import TaughtConfig
from workbench.compress.registry import StepContext, StepResult, step
from workbench.compress.train_student import train_student
from workbench.models.guidance import EMBEDDED, FIELD, guidance_embedding
from workbench.models.unet import WEIGHTS, load_frozen, load_unet, meta_unet, save_unet
from workbench.models.widths import read_widths
from workbench.store.files import hash_file
from workbench.training.batches import Batches
from workbench.training.consistency import POINTS, Grid, boundary, huber
from workbench.training.loop import device, own_part
from workbench.training.precision import attention_for, chosen

if TYPE_CHECKING:
    import numpy as np
    import torch
    from diffusers import UNet2DConditionModel


class DistillConsistencyConfig(TaughtConfig):
    """Distils the U-Net to few steps; the candidate is then drawn at ``evaluate.few_steps``."""

    lr: float = Field(1e-4, gt=0, lt=1)
    decay: Literal["constant", "cosine", "tail"] = "tail"
    weight_decay: float = Field(0.0, ge=0)
    ema: float = Field(
        0.95,
        gt=0,
        lt=1,
        description="Largest decay of the average that the student has to agree with: it is 0 at the first step and "
        "grows as (1 + step) / (10 + step); 0.95 is reached after 170 steps. (LCM's is constant.)",
    )
    loss: Literal["huber", "l2"] = "huber"
    w_min: float = Field(5.0, ge=0, description="Least strength of guidance, w = guidance_scale - 1.")
    w_max: float = Field(15.0, ge=0)
    # The rates of its sines span a range, so there have to be at least two of them.
    guidance_width: int = Field(EMBEDDED, ge=4, description="Width of the embedding of w, an even number.")
    drop_captions: float = Field(0.0, ge=0, le=1, description="Share of captions replaced by the empty one.")

    following: ClassVar[int] = 1
    denoises: ClassVar[bool] = False  # a student that was distilled to few steps may be trained further

    @property
    def teacher_passes(self) -> float:
        """With the prompt and without."""
        return 2

    @model_validator(mode="after")
    def _fits(self) -> DistillConsistencyConfig:
        if self.w_max < self.w_min:
            raise ValueError(f"w_max: found {self.w_max:g}, below w_min {self.w_min:g}")
        return self

    def default_name(self) -> str:
        """``few_steps``."""
        return "few_steps"

    def check(self, unet_config: Mapping[str, Any], _names: Sequence[str]) -> Iterator[tuple[str, str]]:
        """An embedding that can't be made or isn't the parent's."""
        has = unet_config.get(FIELD)
        if self.guidance_width % 2:
            yield "guidance_width", f"found {self.guidance_width}; needs an even number (sines and cosines)"
        elif has and has != self.guidance_width:
            yield "guidance_width", f"found {self.guidance_width}, but the student has an embedding of {has}"

    def unet_config_after(self, unet_config: Mapping[str, Any]) -> Mapping[str, Any]:
        """With the embedding of guidance."""
        return {**unet_config, FIELD: self.guidance_width}


@step("distill_consistency", DistillConsistencyConfig)
def distill_consistency(ctx: StepContext, config: DistillConsistencyConfig) -> StepResult:
    """Trains the parent's U-Net, given an embedding of guidance, against the teacher's guided steps."""

    parent = ctx.parent.denoiser
    made, widths = replace(parent, path=ctx.out / parent.name), read_widths(parent.path)
    teacher = load_frozen(ctx.others.get(config.teacher, ctx.base).denoiser.path)
    student = with_guidance(load_unet(parent.path), config.guidance_width, widths)
    usual = student.attn_processors
    student.set_attn_processor(attention_for(config.precision, device()))
    average = copy.deepcopy(student).requires_grad_(False)
    if config.gradient_checkpointing:
        student.enable_gradient_checkpointing()
    loss_of = _loss(ctx, config, teacher.to(device()), average, device())
    optimizer = {"weight_decay": config.weight_decay, "optimizer": config.optimizer}
    student, report = train_student(ctx, config, student, loss_of, "distill to few steps", average, **optimizer)
    student.set_attn_processor(usual)
    save_unet(student, made.path, widths)
    report |= {
        "teacher": config.teacher,
        "precision": chosen(config.precision, device()),
        "solver_points": POINTS,
        "w": [config.w_min, config.w_max],
        "guidance_parameters": student.time_embedding.cond_proj.weight.numel(),
        "weights_sha256": hash_file(made.path / WEIGHTS),
    }
    return StepResult.of(made, report)


def with_guidance(unet: UNet2DConditionModel, width: int, widths: Any = None) -> UNet2DConditionModel:
    """The same U-Net with an input for guidance of ``width``, whose linear starts at zero: its output stays the same.

    A U-Net that has the input already is returned as it is.
    """
    import torch

    if unet.config.get(FIELD):
        return unet
    guided = meta_unet({**unet.config, FIELD: width}, widths)
    weights = unet.state_dict()
    added = [name for name in guided.state_dict() if name not in weights]
    shapes = guided.state_dict()
    guided.load_state_dict(weights | {name: torch.zeros(shapes[name].shape) for name in added}, assign=True)
    return guided.eval().requires_grad_(True)


def _loss(
    ctx: StepContext,
    config: DistillConsistencyConfig,
    teacher: UNet2DConditionModel,
    average: UNet2DConditionModel,
    device: Any,
) -> Any:
    """The loss of one step for the training loop; pictures, noise, timesteps and w come from its rng.

    The teacher lies on ``device`` already; the loop puts ``average`` there.
    """
    import torch

    part = own_part(config.batch)
    batches = Batches(ctx.base.source, ctx.data, config.batch, config.drop_captions, device, part)
    grid = Grid(batches.alphas)
    empty = batches.encode([""])

    def jump(unet: Any, z: torch.Tensor, t: torch.Tensor, states: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        """f(z, t): the clean latent, and z itself at t = 0."""
        output = unet(z, t, states, timestep_cond=w).sample.float()
        skip, out = (c.view(-1, 1, 1, 1) for c in boundary(t))
        return skip * z + out * grid.split(output, z, t, batches.prediction)[0]

    def guided(z: torch.Tensor, t: torch.Tensor, states: torch.Tensor, w: torch.Tensor) -> tuple[Any, Any]:
        """x̂0 and ε of the teacher, each moved by w times the difference that the prompt makes."""
        both = torch.cat([states, empty.expand_as(states)])
        output = teacher(torch.cat([z, z]), torch.cat([t, t]), both).sample.float()
        parts = grid.split(output, torch.cat([z, z]), torch.cat([t, t]), batches.prediction)
        halves = [part.chunk(2) for part in parts]
        by = w.view(-1, 1, 1, 1)
        outputs = [with_prompt + by * (with_prompt - without) for with_prompt, without in halves]
        return outputs[0], outputs[1]

    def loss_of(model: Any, _step: int, rng: np.random.Generator) -> Iterator[dict[str, torch.Tensor]]:
        clean = batches.clean(rng)
        index = torch.from_numpy(rng.integers(0, grid.count, config.batch)[part]).to(device)
        drawn = rng.uniform(config.w_min, config.w_max, config.batch)[part].astype("float32")
        w = torch.from_numpy(drawn).to(device)
        embedded = torch.from_numpy(guidance_embedding(drawn, config.guidance_width)).to(device)
        start = grid.starts[index]
        noisy = batches.noised(clean, start)
        for rows in config.parts(part):
            z, t, states = noisy[rows], start[rows], clean.states[rows]
            with torch.no_grad():
                later = grid.ddim(*guided(z, t, states, w[rows]), index[rows])
                target = jump(average, later, grid.ends(t), states, embedded[rows])
            loss = huber(jump(model, z, t, states, embedded[rows]), target, config.loss)
            yield {"loss": loss * (len(z) / len(noisy))}

    return loss_of
