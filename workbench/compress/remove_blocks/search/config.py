"""What a recipe says of the search for blocks to remove: the budget, and how much is measured."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from workbench.strict import Strict

Measure = Literal["params", "macs", "latency"]
MEASURES: tuple[Measure, ...] = ("params", "macs", "latency")


class Budget(Strict):
    """What is left of the U-Net at most, as a share of the parent's, in one measure."""

    params: float | None = Field(None, gt=0, lt=1, description="Of its parameters.")
    macs: float | None = Field(None, gt=0, lt=1, description="Of its MACs, attention's products included.")
    latency: float | None = Field(
        None, gt=0, lt=1, description="Of its kernel time on this machine's ONNX Runtime, summed over layers."
    )

    @model_validator(mode="after")
    def _one(self) -> Budget:
        given = [name for name in MEASURES if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"give one of {', '.join(MEASURES)}; found {' and '.join(given) or 'none of them'}")
        return self

    @property
    def measure(self) -> Measure:
        """Which measure is limited."""
        return next(name for name in MEASURES if getattr(self, name) is not None)

    @property
    def share(self) -> float:
        """The limit, as a share of the parent's."""
        return float(getattr(self, self.measure))


class SearchConfig(Strict):
    """Finds the blocks whose loss changes the U-Net's output the least, as many as the budget asks for."""

    budget: Budget = Field(description="What is left at most, such as {macs: 0.65}.")
    prompts: int = Field(8, ge=1, le=10_000, description="Prompts whose denoising inputs the output is compared on.")
    pictures: int = Field(8, ge=2, le=10_000, description="Pictures drawn without each block and with each set.")
    steps: int = Field(5, ge=1, le=1000, description="Denoising steps; the output is compared at each of them.")
    guidance_scale: float = Field(3.0, ge=1.0, le=50.0)
    remeasure: int = Field(
        8, ge=1, description="How many of the most promising removals are measured again before each choice."
    )
