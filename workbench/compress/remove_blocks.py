"""Step ``remove_blocks``: builds the smaller U-Net from its config and copies the teacher's weights into it.

Source of the method and of the named layouts: BK-SDM, arXiv 2305.15798, and its ``copy_weight_from_teacher``.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, model_validator

from workbench.compress.layouts import LAYOUTS, CannotDrop, Student, blocks_of, student_of
from workbench.compress.registry import StepConfig, StepContext, StepResult, step
from workbench.errors import InputError, RunError
from workbench.models.candidate import Component
from workbench.models.unet import load_unet
from workbench.models.widths import PRUNED, read_widths

if TYPE_CHECKING:
    import torch


_AFTER_PRUNE = "a pruned U-Net's config doesn't tell its widths; remove blocks first and prune what is left"


class RemoveBlocksConfig(StepConfig):
    """Drops blocks of the U-Net: a named layout, or a list of module paths."""

    layout: Literal["bk-base", "bk-small", "bk-tiny"] | None = Field(None, description="One of BK-SDM's layouts.")
    blocks: list[str] | None = Field(
        None, min_length=1, description="Module paths to drop, such as down_blocks.0.resnets.1 or mid_block."
    )

    @model_validator(mode="after")
    def _either(self) -> RemoveBlocksConfig:
        if (self.layout is None) == (self.blocks is None):
            raise ValueError("give either layout or blocks")
        return self

    def default_name(self) -> str:
        """The layout's name, or ``blocks_removed``."""
        return self.layout.replace("-", "_") if self.layout else "blocks_removed"

    def dropped(self) -> Sequence[str]:
        """The module paths to drop."""
        return LAYOUTS[self.layout] if self.layout else self.blocks or []

    def check(self, unet_config: Mapping[str, Any], names: Sequence[str]) -> Iterator[tuple[str, str]]:
        """Problems of this step with the U-Net that it would meet, as (key, message); found before any work."""
        key = "layout" if self.layout else "blocks"
        if PRUNED in unet_config:
            yield key, f"can't follow prune: {_AFTER_PRUNE}"
            return
        try:
            student_of(unet_config, self.dropped())
        except CannotDrop as error:
            near = difflib.get_close_matches(error.block, blocks_of(unet_config), 1)
            lacking = error.block not in blocks_of(unet_config)
            meant = f"; did you mean {near[0]}?" if near and lacking and not self.layout else ""
            prefix = f"{self.layout} drops {error.block}, but " if self.layout else ""
            yield key, f"{prefix}{error}{meant}"

    def unet_config_after(self, unet_config: Mapping[str, Any]) -> Mapping[str, Any]:
        """The U-Net's config after this step, for checking the steps that follow."""
        return student_of(unet_config, self.dropped()).config


def copy_weights(student: torch.nn.Module, teacher: torch.nn.Module, plan: Student) -> int:
    """Copies the teacher's tensors into the student by the plan's map and returns how many were copied.

    Raises:
        RunError: a tensor has no counterpart of its shape.
    """
    weights = teacher.state_dict()
    taken = {}
    for name, tensor in student.state_dict().items():
        source = plan.teacher_name(name)
        if source not in weights or weights[source].shape != tensor.shape:
            found = tuple(weights[source].shape) if source in weights else "nothing"
            raise RunError(f"{name} needs a tensor of shape {tuple(tensor.shape)}, {source} in the teacher is {found}")
        taken[name] = weights[source]
    student.load_state_dict(taken)
    return len(taken)


@step(
    "remove_blocks",
    RemoveBlocksConfig,
    code=(
        *("workbench.compress.layouts", "workbench.models.unet", "workbench.models.widths"),
        *("workbench.profile.counting", "workbench.profile.macs"),
    ),
    libraries=("torch", "diffusers"),
)
def remove_blocks(ctx: StepContext, config: RemoveBlocksConfig) -> StepResult:
    """Builds the student, copies the weights, and reports what was dropped in parameters and MACs."""
    from diffusers import UNet2DConditionModel

    parent = ctx.parent.components["unet"]
    if read_widths(parent.path):
        raise InputError(f"remove_blocks: {parent.path} was pruned: {_AFTER_PRUNE}")
    teacher = load_unet(parent.path)
    plan = student_of(json.loads((parent.path / "config.json").read_text()), config.dropped())
    student = UNet2DConditionModel.from_config(plan.config)
    copied = copy_weights(student, teacher, plan)
    student.save_pretrained(ctx.out / "unet", safe_serialization=True)
    report = {"copied_tensors": copied, "teacher_tensors": len(teacher.state_dict())}
    report |= _what_went(teacher, student, config.dropped(), _tokens(ctx.base.source))
    return StepResult({"unet": Component("unet", "torch", ctx.out / "unet", parent.scheme)}, report)


def _tokens(source: Path) -> int:
    return json.loads((source / "text_encoder" / "config.json").read_text())["max_position_embeddings"]


def _what_went(teacher: Any, student: Any, dropped: Sequence[str], tokens: int) -> dict[str, Any]:
    from workbench.profile.counting import count_unet

    before, after = (count_unet(dict(m.config), tokens=tokens) for m in (teacher, student))
    rows = []
    for name in dropped:
        inside = [layer for layer in before.layers if layer.layer == name or layer.layer.startswith(f"{name}.")]
        rows.append(
            {
                "block": name,
                "params": sum(layer.params for layer in inside),
                "macs": sum(layer.macs for layer in inside),
                "macs_attention": sum(layer.attention_macs for layer in inside),
            }
        )
    return {
        "dropped": rows,
        "params": {"before": before.params, "after": after.params},
        "macs": {"before": before.macs, "after": after.macs},
        "macs_with_attention": {"before": before.macs_with_attention, "after": after.macs_with_attention},
    }
