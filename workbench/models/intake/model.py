"""``model:`` in a recipe: one word or path, or a mapping that says how it is taken and what is put on top."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Discriminator, Field, Tag

from workbench.models.scheduler_config import ACCEPTED
from workbench.strict import RecipePath, Strict

if TYPE_CHECKING:
    SchedulerName = str
else:
    SchedulerName = Literal[ACCEPTED]

FORMS = "demo, a diffusers folder, a .safetensors checkpoint, hub:OWNER/NAME or arch:NAME"


class Lora(Strict):
    """Low-rank changes that are added to the weights."""

    path: RecipePath = Field(description="A .safetensors file in the form of diffusers, PEFT or kohya; LCM-LoRA too.")
    scale: float = Field(1.0, ge=-16, le=16, description="How much of it is added.")


class Model(Strict):
    """A model that needs more than its path."""

    path: RecipePath = Field(description=f"What it would be alone: {FORMS}.")
    config: RecipePath | None = Field(
        None,
        description="Of a single file: a diffusers folder with tokenizer/, and with scheduler/ and the components' "
        "configs where they can't be known from the file.",
    )
    variant: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,32}$")] | None = Field(
        None, description="Which weight files of a folder are taken, such as fp16; default: the plain ones."
    )
    loras: list[Lora] = Field(default_factory=list, max_length=32, description="Added to the weights, in order.")
    scheduler: SchedulerName | None = Field(
        None, description="Draws instead of the model's own, at its noise levels; an LCM-LoRA needs LCMScheduler."
    )
    allow_pickle: bool = Field(
        False, description="Reads pickled weights too, tensors and nothing else of them (torch.load, weights_only)."
    )


def _form(value: object) -> str:
    return "mapping" if isinstance(value, Mapping | Model) else "text"


Source = Annotated[
    Annotated[RecipePath, Tag("text")] | Annotated[Model, Tag("mapping")],
    Discriminator(_form),
]
"""What a recipe may give; told apart first, so that a mapping is told what is wrong inside it and nothing else."""


def model_of(source: str | Model) -> Model:
    """The long form of either."""
    return source if isinstance(source, Model) else Model(path=source)
