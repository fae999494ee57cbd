"""How quality is measured, as a recipe says it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, field_validator

from workbench.strict import RecipePath, Strict


class Evaluate(Strict):
    """How quality is measured. Pictures are drawn with the recipe's seed, the same for every candidate."""

    pictures: int = Field(128, ge=2, le=100_000, description="Pictures drawn per candidate.")
    steps: int = Field(10, ge=1, le=1000, description="Denoising steps per picture; the pipeline budget uses it too.")
    few_steps: list[Annotated[int, Field(ge=1, le=50)]] = Field(
        [4, 2, 1],
        min_length=1,
        description="The same for candidates that were distilled to few steps; each count makes a row, NAME-2steps.",
    )
    guidance_scale: float = Field(
        3.0,
        ge=1.0,
        le=50.0,
        description="1 means one U-Net pass per step; few-step candidates take it as an input, in one pass.",
    )
    prompts: RecipePath | None = Field(
        None, description="A file, one prompt a line; default: the captions of the data."
    )
    shown: int = Field(8, ge=1, le=64, description="How many of the pictures the report shows.")
    timesteps: list[Annotated[int, Field(ge=0, le=999)]] = Field(
        [999, 799, 599, 399, 199, 39],
        min_length=1,
        description="Where the U-Net's output is compared with the reference's.",
    )
    samples: int = Field(4, ge=1, le=1024, description="Inputs per timestep for that comparison.")

    @field_validator("few_steps")
    @classmethod
    def _once(cls, counts: list[int]) -> list[int]:
        if len(set(counts)) < len(counts):
            raise ValueError("needs each count once")
        return counts
