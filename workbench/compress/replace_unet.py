"""Step ``replace_unet``: the U-Net of another model of the same latent space, such as a better teacher.

Source: EdgeFusion (arXiv 2404.11925, section 3): the student learns from a model that is better than the one from which
it was cut.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field

from workbench.compress.registry import StepConfig, StepContext, StepResult, step
from workbench.models.candidate import Component
from workbench.models.families import family_of
from workbench.models.read_json import read_object
from workbench.models.sources import denoiser_folder
from workbench.models.unet import CLASS as UNET
from workbench.models.unet import STEM
from workbench.models.weights import weight_files
from workbench.models.widths import FILE as WIDTHS
from workbench.strict import RecipePath

DECODER: Mapping[str, Any] = {"latent_channels": 4, "scaling_factor": 0.18215, "shift_factor": None}
SCHEDULER: Mapping[str, Any] = {
    "prediction_type": "epsilon",
    "num_train_timesteps": 1000,
    "rescale_betas_zero_snr": False,
    "beta_schedule": "linear",
    "beta_start": 0.0001,
    "beta_end": 0.02,
}
"""What two models have in common where a latent of one means the same to the other, and what it is in diffusers where a
config doesn't say."""
SHAPES = ("in_channels", "out_channels", "sample_size", "cross_attention_dim")
"""Of the U-Net's config: the shapes of what goes in and out."""


class ReplaceUnetConfig(StepConfig):
    """Takes the U-Net of another model; text encoder, decoder and scheduler stay."""

    model: RecipePath = Field(description="demo, demo:NAME (a student that it brings), a folder, or hub:OWNER/NAME.")
    teacher: str | None = Field(None, description="Candidate that taught it, against which its pictures are held.")
    denoiser_class: ClassVar[str] = UNET

    def default_name(self) -> str:
        """``teacher``."""
        return "teacher"

    def takes(self) -> frozenset[str]:
        """It needs nothing of the U-Net before it."""
        return frozenset()

    @property
    def teacher_name(self) -> str | None:
        """As the recipe says."""
        return self.teacher

    def others(self) -> Mapping[str, str]:
        """The teacher has to be there."""
        return {} if self.teacher in (None, "base") else {"teacher": str(self.teacher)}

    def files(self) -> Mapping[str, Path]:
        """The other model's weights and config."""
        _, folder = denoiser_folder(self.model)
        files = [folder / "config.json", *weight_files(folder, STEM)]
        files += [folder / WIDTHS] if (folder / WIDTHS).is_file() else []
        return {f"model.{file.name}": file for file in files}

    def check(self, unet_config: Mapping[str, Any], _names: Sequence[str]) -> Iterator[tuple[str, str]]:
        """A U-Net whose latents or text states have another shape."""
        theirs = self.unet_config_after({})
        for key in SHAPES:
            if theirs.get(key) != unet_config.get(key):
                yield "model", self._another(f"{key} {theirs.get(key)} instead of {unet_config.get(key)}")

    def check_model(self, folder: Path) -> Iterator[tuple[str, str]]:
        """A model whose latents have the same shape and another meaning."""
        other, _ = denoiser_folder(self.model)
        decoder = family_of(folder).decoder.folder
        for part, name, keys in (decoder, "config.json", DECODER), ("scheduler", "scheduler_config.json", SCHEDULER):
            ours, theirs = (read_object(model / part / name) for model in (folder, other))
            for key, default in keys.items():
                needed, value = ours.get(key, default), theirs.get(key, default)
                if value != needed:
                    yield "model", self._another(f"{part}: {key} {value} instead of {needed}")

    def _another(self, what: str) -> str:
        return f"found {self.model!r}, a model of another latent space ({what})"

    def unet_config_after(self, _unet_config: Mapping[str, Any]) -> Mapping[str, Any]:
        """The other model's."""
        return read_object(denoiser_folder(self.model)[1] / "config.json")


@step("replace_unet", ReplaceUnetConfig)
def replace_unet(ctx: StepContext, config: ReplaceUnetConfig) -> StepResult:
    """Copies config and weights."""
    _, theirs = denoiser_folder(config.model)
    name = ctx.parent.family.denoiser.name
    made = Component(name, "torch", ctx.out / name)
    made.path.mkdir(parents=True)
    beside = [theirs / "config.json", theirs / WIDTHS, *theirs.glob(f"{STEM}*.index*.json")]
    for source in (*beside, *weight_files(theirs, STEM)):
        if source.is_file():
            shutil.copyfile(source, made.path / source.name)
    return StepResult.of(made, config.model_dump(mode="json", include={"model"}))
