"""Step ``replace_unet``: the U-Net of another model of the same latent space, such as a better teacher.

Source: EdgeFusion (arXiv 2404.11925, section 3): the student learns from a model that is better than the one from which
it was cut.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import Field

from workbench.compress.registry import StepConfig, StepContext, StepResult, step
from workbench.errors import InputError
from workbench.models.candidate import Component
from workbench.models.folder import read_object
from workbench.models.sources import unet_of
from workbench.models.unet import STEM
from workbench.models.weights import weight_files
from workbench.models.widths import FILE as WIDTHS

SHARED = {
    "unet/config.json": ("in_channels", "out_channels", "sample_size", "cross_attention_dim"),
    "vae/config.json": ("latent_channels", "scaling_factor"),
    "scheduler/scheduler_config.json": ("prediction_type", "num_train_timesteps", "beta_schedule"),
}
"""What two models have in common where a latent of one means the same to the other."""


class ReplaceUnetConfig(StepConfig):
    """Takes the U-Net of another model; text encoder, decoder and scheduler stay."""

    model: str = Field(description="demo, demo:NAME (a student that it brings), a local folder, or hub:OWNER/NAME.")
    teacher: str | None = Field(None, description="Candidate that taught it, against which its pictures are held.")

    def default_name(self) -> str:
        """``teacher``."""
        return "teacher"

    def takes(self) -> frozenset[str]:
        """It needs nothing of the U-Net before it."""
        return frozenset()

    @property
    def reads_data(self) -> bool:
        """It reads none."""
        return False

    @property
    def taught_by(self) -> str | None:
        """As the recipe says."""
        return self.teacher

    def others(self) -> Mapping[str, str]:
        """The teacher has to be there."""
        return {} if self.teacher in (None, "base") else {"teacher": str(self.teacher)}

    def files(self) -> Mapping[str, Path]:
        """The other model's weights and config."""
        _, folder = unet_of(self.model)
        found = [folder / "config.json", *weight_files(folder, STEM)]
        return {f"model.{file.name}": file for file in found}

    def check(self, unet_config: Mapping[str, Any], _names: Sequence[str]) -> Iterator[tuple[str, str]]:
        """A U-Net whose latents or text states have another shape."""
        theirs = read_object(unet_of(self.model)[1] / "config.json")
        for key in SHARED["unet/config.json"]:
            if theirs.get(key) != unet_config.get(key):
                found = f"{key} {theirs.get(key)} instead of {unet_config.get(key)}"
                yield "model", f"found {self.model!r}, a model of another latent space ({found})"

    def unet_config_after(self, _unet_config: Mapping[str, Any]) -> Mapping[str, Any]:
        """The other model's."""
        return read_object(unet_of(self.model)[1] / "config.json")


@step("replace_unet", ReplaceUnetConfig, code=("workbench.models.weights",), libraries=())
def replace_unet(ctx: StepContext, config: ReplaceUnetConfig) -> StepResult:
    """Copies config and weights; refuses a model whose latents mean something else."""
    folder, own = unet_of(config.model)
    for file, keys in SHARED.items():
        place = own / "config.json" if file.startswith("unet/") else folder / file
        ours, theirs = read_object(ctx.base.source / file), read_object(place)
        for key in keys:
            if ours.get(key) != theirs.get(key):
                raise InputError(
                    f"replace_unet.model: {place}: {key} is {theirs.get(key)}, in the recipe's model "
                    f"{ours.get(key)}: its latents mean something else"
                )
    out = ctx.out / "unet"
    out.mkdir(parents=True)
    for source in (own / "config.json", own / WIDTHS, *weight_files(own, STEM)):
        if source.is_file():
            shutil.copyfile(source, out / source.name)
    index = own / f"{STEM}.safetensors.index.json"
    if index.is_file():
        shutil.copyfile(index, out / index.name)
    return StepResult({"unet": Component("unet", "torch", out)}, {"model": config.model})
