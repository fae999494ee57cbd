"""How quality is measured, as a recipe says it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field, field_validator

from workbench.metrics.base import Metric
from workbench.metrics.config import MetricConfig
from workbench.metrics.registry import kinds, metrics
from workbench.strict import OneKey, RecipePath, Strict, one_of

MOST = 20
"""Metrics that a recipe may ask for: each keeps a value for every candidate."""


class _MetricEntry(OneKey):
    """One metric: a mapping with its kind as the only key."""

    _what: ClassVar[str] = "a metric"

    @property
    def config(self) -> MetricConfig:
        """Its settings."""
        return getattr(self, self.kind)

    @property
    def name(self) -> str:
        """What it is called among the scores."""
        return self.config.name or self.kind


if TYPE_CHECKING:
    MetricEntry = _MetricEntry
else:
    MetricEntry = one_of(kinds(), _MetricEntry, "MetricEntry")


class Evaluate(Strict):
    """How quality is measured. Pictures are drawn with the recipe's seed, the same for every candidate."""

    pictures: int = Field(
        128,
        ge=0,
        le=100_000,
        description="Pictures drawn per candidate and judged by: of captions that the data hold out, where they do. 0: "
        "nothing is drawn and no quality measured; times, sizes and memory are.",
    )
    trained_pictures: int = Field(
        32,
        ge=0,
        le=100_000,
        description="Further ones, 2 or more or none, of captions that training saw, scored apart; none where the data "
        "hold out none.",
    )
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
        None, description="A file, one prompt a line; default: the captions that the data hold out, or all."
    )
    shown: int = Field(8, ge=1, le=64, description="How many of the pictures the report shows.")
    timesteps: list[Annotated[int, Field(ge=0, le=999)]] = Field(
        [999, 799, 599, 399, 199, 39],
        min_length=1,
        description="Where the U-Net's output is compared with the reference's.",
    )
    samples: int = Field(4, ge=1, le=1024, description="Inputs per timestep for that comparison.")
    metrics: list[MetricEntry] = Field(
        default_factory=list,
        max_length=MOST,
        description="Metrics beside those that are always measured: with weights, or by a program, of your own.",
    )

    @field_validator("pictures", "trained_pictures")
    @classmethod
    def _some_or_none(cls, count: int) -> int:
        if count == 1:
            raise ValueError("needs 0 or at least 2: of one picture nothing can be said")
        return count

    @field_validator("few_steps")
    @classmethod
    def _once(cls, counts: list[int]) -> list[int]:
        if len(set(counts)) < len(counts):
            raise ValueError("needs each count once")
        return counts

    def known_metrics(self) -> Mapping[str, Metric]:
        """All metrics by name: those that are always measured in their order, then those that were asked for."""
        return {**metrics(), **{entry.name: entry.config.metric(entry.name) for entry in self.metrics}}
