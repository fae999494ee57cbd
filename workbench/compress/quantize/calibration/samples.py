"""What each component sees while the pipeline draws: the inputs that calibrate it, and those that measure its error.

The denoiser's are those of its trajectory, the decoder's the latents at its end, the prompt encoder's the tokens.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from workbench.compress.quantize.calibration.ranges import Method
from workbench.compress.quantize.calibration.trajectory import Inputs, Trajectory
from workbench.compress.registry import StepContext
from workbench.data.lines import numbered
from workbench.errors import InputError
from workbench.models.families.base import Family
from workbench.runtimes.load import runner
from workbench.strict import RecipePath, Strict

if TYPE_CHECKING:
    import numpy as np

Timestep = Annotated[int, Field(ge=0, le=999)]
Run = Callable[[Inputs, bool], "np.ndarray"]
"""``run(inputs, kept)`` gives the component's first output."""
HELD_BACK = 2
"""Prompts that calibration doesn't see; the SQNR in the report is taken on what they give."""


class Calibration(Strict):
    """Where the ranges of activations come from: the parent's denoising trajectories."""

    prompts: int = Field(default=16, ge=1, le=100_000, description="Prompts drawn, from the data's training captions.")
    prompts_from: RecipePath | None = Field(default=None, description="Prompts, one a line, instead of the captions.")
    steps: int = Field(default=10, ge=1, le=1000, description="Denoising steps of each trajectory.")
    timesteps: list[Timestep] | None = Field(
        default=None,
        min_length=1,
        description="Only inputs at the trajectory's timesteps nearest to these; default: all.",
    )
    guidance_scale: float = Field(default=3.0, ge=1.0, le=50.0)
    unconditional: bool = Field(default=True, description="Inputs without prompt as well.")
    method: Method = Field(
        default="mse",
        description="How a range comes from what was seen: the extremes; moving_average of each pass's; percentile; "
        "mse (least squared error of the rounding).",
    )
    percentile: float = Field(default=99.99, gt=50, le=100, description="Of the method percentile.")


@dataclass(frozen=True)
class Samples:
    """Inputs of one component of a step's parent."""

    context: StepContext
    component: str
    config: Calibration

    @property
    def _family(self) -> Family:
        return self.context.base.family

    @property
    def denoises(self) -> bool:
        """Whether the component is the denoiser."""
        return self.component == self._family.denoiser.name

    @cached_property
    def trajectory(self) -> Trajectory:
        """The parent's denoising."""
        return Trajectory(
            self.context.base.source,
            self.context.export(self.context.parent, self._family.prompt_encoder.name),
            self.config.steps,
            self.config.guidance_scale,
            self.config.timesteps,
            self.config.unconditional,
            self.context.parent.guidance_width,
        )

    @cached_property
    def _split(self) -> tuple[list[str], list[str]]:
        """Prompts to calibrate with and prompts held back, chosen by the seed."""
        if self.config.prompts_from:
            lines = [line.strip() for _, line in numbered(Path(self.config.prompts_from))]
            if not lines:
                raise InputError(f"quantize.calibration.prompts_from: {self.config.prompts_from} holds no prompts")
        else:
            lines = self.context.captions()
            if not lines:
                raise InputError(
                    "quantize.calibration: the data has no captions to draw prompts from",
                    hint="name a text file of prompts, one a line, in calibration.prompts_from",
                )
            random.Random(self.context.seed).shuffle(lines)
        # Those at the end are held back, the same ones however many calibrate. With no others, they calibrate too: the
        # check then differs in its noise alone.
        return (lines[:-HELD_BACK] or lines)[: self.config.prompts], lines[-HELD_BACK:]

    def count(self, held_back: bool = False) -> int:
        """Kept inputs of ``calibrate``, or of ``held_back``."""
        prompts = len(self._split[held_back])
        if not self.denoises:
            return prompts
        return prompts * len(self.trajectory.kept()) * (2 if self._both else 1)

    @property
    def _both(self) -> bool:
        return self.config.unconditional and self.trajectory.passes == 2

    @property
    def each(self) -> int:
        """Kept inputs of ``calibrate`` for one prompt."""
        return self.count() // len(self._split[0])

    def calibrate(self, run: Run, before: int = 0) -> Iterator[Inputs]:
        """Runs the component on every calibrating input and yields those that are kept, after their pass.

        ``before``: kept inputs that are done, all of whole prompts.
        """
        walked = self._walk(self._split[0], self.context.seed, run, before // self.each)
        with self.context.progress(f"calibrate {self.component}", self.count()) as tick:
            tick(before)
            for done, inputs in enumerate(walked, before + 1):
                tick(done)
                yield inputs

    def held_back(self, run: Run) -> Iterator[Inputs]:
        """The same for prompts and noise that calibration doesn't see."""
        with self.context.progress(f"check {self.component}", self.count(held_back=True)) as tick:
            for done, inputs in enumerate(self._walk(self._split[1], self.context.seed + 1, run), 1):
                yield inputs
                tick(done)

    def summary(self) -> dict[str, Any]:
        """What was sampled, as JSON."""
        summary: dict[str, Any] = {"n": self.count(), "prompts": len(self._split[0]), "method": self.config.method}
        if self.denoises:
            summary |= {"timesteps": self.trajectory.kept(), "unconditional": self._both}
        return summary

    def _walk(self, prompts: Sequence[str], seed: int, run: Run, start: int = 0) -> Iterator[Inputs]:
        if self.denoises:
            yield from self.trajectory.walk(prompts, seed, run, start)
            return
        encodes = self.component == self._family.prompt_encoder.name
        (name,) = self.context.parent.spec(self.component).inputs
        made = self.trajectory.tokens(prompts[start:]) if encodes else self._latents(prompts, seed, start)
        for value in made:
            inputs = {name: value}
            run(inputs, True)
            yield inputs

    def _latents(self, prompts: Sequence[str], seed: int, start: int) -> Iterator[np.ndarray]:
        """Drawn latents as the decoder takes them, float32 [1, C, h, w]."""
        import numpy as np

        scale, shift = self._family.scaling(self.context.base.source)
        denoiser = runner(self.context.export(self.context.parent, self._family.denoiser.name))
        denoise = lambda inputs, _kept: denoiser.run(None, inputs)[0]  # noqa: E731
        for latent in self.trajectory.drawn(prompts, seed, denoise, start):
            yield (latent / scale + shift).astype(np.float32)
