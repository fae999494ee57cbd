"""What the steps that train the U-Net against a teacher have in common."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from workbench.compress.registry import StepConfig
from workbench.models.families import family_of
from workbench.models.guidance import FIELD
from workbench.models.scheduler import read_scheduler
from workbench.models.scheduler_config import FEW
from workbench.models.unet import CLASS as UNET
from workbench.training.optimizer import Kind
from workbench.training.precision import Precision

if TYPE_CHECKING:
    from workbench.forecast.cost import Cost, Facts


class TaughtConfig(StepConfig):
    """Who teaches, on what, and how the optimiser goes."""

    teacher: str = Field("base", description="Candidate that teaches: base, or another one before this step.")
    data: str | None = Field(None, description="One of the recipe's data_sets; default: the recipe's data.")
    steps: int = Field(300, ge=1, le=10_000_000, description="Optimiser steps.")
    batch: int = Field(32, ge=1, le=4096, description="Pictures a step, shared evenly by the processes that train.")
    warmup: int = Field(20, ge=0)
    clip: float = Field(1.0, gt=0, description="Largest norm of the gradient.")
    precision: Precision = Field(
        "auto",
        description="Of the products. auto: bf16 where the processor or GPU multiplies it, else fp32 (bf16 that is "
        "only imitated is many times slower).",
    )
    save_every: int = Field(25, ge=1, description="Steps between checkpoints.")
    optimizer: Kind = Field(
        "adamw",
        description="adafactor needs hardly any memory beside weights and gradient; its lr is relative to each "
        "weight's own root mean square, so another one than AdamW's.",
    )
    at_once: int | None = Field(
        None,
        ge=1,
        description="Pictures in one pass of the student, where memory is short: the gradients of a batch's parts are "
        "added. Default: all of the batch.",
    )
    gradient_checkpointing: bool = Field(
        False, description="The backward pass computes most of the forward pass again instead of keeping it."
    )

    denoiser_class: ClassVar[str] = UNET
    trains: ClassVar[bool] = True

    @property
    def data_set(self) -> str | None:
        """As the recipe says."""
        return self.data

    @property
    def teacher_name(self) -> str:
        """As the recipe says."""
        return self.teacher

    following: ClassVar[int] = 0
    """Passes of networks that follow the student, for each picture of a step."""

    @property
    def teacher_passes(self) -> float:
        """Of the teacher for each picture of a step."""
        return 1

    def cost(self, facts: Facts) -> Cost:
        """Steps of a batch: the student forwards and backwards, the teacher, the text encoder."""
        from workbench.forecast.shapes import training

        teacher = facts.others.get(self.teacher, facts.base[facts.denoiser])
        cost = training(
            *(facts.made, teacher, self.steps, self.batch, facts.half(self.precision), facts.base[facts.encoder]),
            saves=self.steps // self.save_every,
            teacher_passes=self.teacher_passes,
            following=self.following,
            average=self.averages,
            moments=self.optimizer == "adamw",
            at_once=min(self.at_once or self.batch, self.batch),
            again=self.gradient_checkpointing,
        )
        return cost

    @property
    def averages(self) -> bool:
        """Whether a second set of weights follows those that are trained."""
        return getattr(self, "ema", None) is not None

    def parts(self, part: slice) -> list[slice]:
        """The rows of a process's part of the batch, counted from its first, that are in one pass each."""
        count = part.stop - part.start
        width = self.at_once or count
        return [slice(start, min(start + width, count)) for start in range(0, count, width)]

    @property
    def sizes(self) -> Mapping[str, int]:
        """Optimiser steps."""
        return {"steps": self.steps}

    def check_model(self, folder: Path) -> Iterator[tuple[str, str]]:
        """A teacher that can't be learned from."""
        family = family_of(folder)
        scheduler = read_scheduler(folder).get("_class_name")
        if self.teacher == "base" and (scheduler == FEW or family.configs(folder)(family.denoiser.name).get(FIELD)):
            yield "teacher", "found 'base', which is distilled to few steps; needs one that is drawn in many"

    def others(self) -> Mapping[str, str]:
        """The teacher, unless it is the untouched model, which every step has."""
        return {} if self.teacher == "base" else {"teacher": self.teacher}
