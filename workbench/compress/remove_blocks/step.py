"""Step ``remove_blocks``: builds the smaller U-Net from its config and copies the teacher's weights into it.

Source of the method and of the named layouts: BK-SDM, arXiv 2305.15798, and its ``copy_weight_from_teacher``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field, model_validator

from workbench.compress.registry import StepConfig, StepContext, StepResult, step
from workbench.compress.remove_blocks.layouts import CannotDrop, blocks_of, student_of
from workbench.compress.remove_blocks.search.analytic import least_share, unreachable
from workbench.compress.remove_blocks.search.config import SearchConfig
from workbench.errors import InputError, did_you_mean
from workbench.models.families import layouts, modules
from workbench.models.read_json import read_object
from workbench.models.unet import CLASS as UNET
from workbench.models.unet import load_frozen, save_unet
from workbench.models.widths import PRUNED, read_widths

_AFTER_PRUNE = "a pruned U-Net's config doesn't have its widths; remove blocks first and prune what is left"
BLOCKS = 60
"""Blocks and sets that a search measures, for its forecast: Stable Diffusion's U-Net has some 30 that can go."""
SEARCHED = "_blocks_searched"
"""In a U-Net's config while a recipe is checked: blocks will have been chosen by a search, nobody knows which."""

if TYPE_CHECKING:
    from workbench.forecast.cost import Cost, Facts

    Layout = str
else:
    Layout = Literal[tuple(layouts())]


class RemoveBlocksConfig(StepConfig):
    """Drops blocks of the U-Net: a named layout, a list of module paths, or those that a search finds."""

    layout: Layout | None = Field(None, description="One of BK-SDM's layouts.")
    blocks: list[str] | None = Field(
        None, min_length=1, description="Module paths to drop, such as down_blocks.0.resnets.1 or mid_block."
    )
    search: SearchConfig | None = Field(
        None, description="Measures every block and takes the set with the least damage under a budget."
    )
    denoiser_class: ClassVar[str] = UNET

    @model_validator(mode="after")
    def _one_way(self) -> RemoveBlocksConfig:
        given = [name for name in ("layout", "blocks", "search") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"give one of layout, blocks and search; found {' and '.join(given) or 'none of them'}")
        return self

    def default_name(self) -> str:
        """The layout's name, ``blocks_removed`` or ``blocks_searched``."""
        return self.layout.replace("-", "_") if self.layout else "blocks_searched" if self.search else "blocks_removed"

    @property
    def reads_data(self) -> bool:
        """Only a search needs prompts."""
        return self.search is not None

    def reached(self) -> frozenset[str]:
        """The layouts: of a search, all are measured."""
        return frozenset() if self.blocks else modules("layouts")

    def unreached(self) -> frozenset[str]:
        """The search, where blocks are named."""
        return frozenset() if self.search else frozenset({"workbench.compress.remove_blocks.search.search"})

    @property
    def denoises(self) -> bool:
        """A search draws pictures."""
        return self.search is not None

    @property
    def draws(self) -> Mapping[str, int]:
        """Those of the search."""
        return {"search.steps": self.search.steps} if self.search else {}

    def cost(self, facts: Facts) -> Cost:
        """Copied weights; of a search, a block's pictures and inputs for each block, and as many again for sets."""
        from workbench.forecast.shapes import weights

        made = facts.made.scaled(self.search.budget.share) if self.search else facts.made
        copied = weights([facts.before, made], made)
        if not self.search:
            return copied
        searched = facts.drawing(BLOCKS * (self.search.pictures + self.search.prompts), *self._drawing)
        return replace(copied, passes=searched, made={facts.denoiser: made})

    @property
    def _drawing(self) -> tuple[int, float]:
        return (self.search.steps, self.search.guidance_scale) if self.search else (0, 1.0)

    @property
    def sizes(self) -> Mapping[str, int]:
        """Of a search."""
        return {"search.pictures": self.search.pictures, "search.prompts": self.search.prompts} if self.search else {}

    def dropped(self) -> Sequence[str]:
        """The module paths to drop; none that are known before a search."""
        return layouts()[self.layout] if self.layout else self.blocks or []

    def check(self, unet_config: Mapping[str, Any], names: Sequence[str]) -> Iterator[tuple[str, str]]:
        """Problems of this step with the U-Net that it would meet, as (key, message); found before any work."""
        key = "layout" if self.layout else "search" if self.search else "blocks"
        if PRUNED in unet_config:
            yield key, f"can't follow prune: {_AFTER_PRUNE}"
        elif SEARCHED in unet_config:
            return
        elif self.search:
            budget = self.search.budget
            least = least_share(unet_config, budget.measure)
            if least is not None and least > budget.share:
                yield f"search.budget.{budget.measure}", unreachable(budget.measure, budget.share, least)
        else:
            for problem in self._problems(unet_config):
                yield key, problem

    def _problems(self, unet_config: Mapping[str, Any]) -> Iterator[str]:
        """Why ``dropped`` can't go, if it can't."""
        try:
            student_of(unet_config, self.dropped())
        except CannotDrop as error:
            there = blocks_of(unet_config)
            meant = did_you_mean(error.block, there) if error.block not in there and not self.layout else ""
            prefix = f"{self.layout} drops {error.block}, but " if self.layout else ""
            yield f"{prefix}{error}{meant}"

    def unet_config_after(self, unet_config: Mapping[str, Any]) -> Mapping[str, Any]:
        """The U-Net's config after this step, for checking the steps that follow."""
        if self.search or SEARCHED in unet_config:
            return {**unet_config, SEARCHED: True}
        return student_of(unet_config, self.dropped()).config


@step("remove_blocks", RemoveBlocksConfig)
def remove_blocks(ctx: StepContext, config: RemoveBlocksConfig) -> StepResult:
    """Builds the student, copies the weights, and reports what was dropped in parameters and MACs."""
    from diffusers import UNet2DConditionModel

    parent, tokens = ctx.parent.denoiser, ctx.base.tokens
    if read_widths(parent.path):
        raise InputError(f"remove_blocks: {parent.path} was pruned: {_AFTER_PRUNE}")
    unet_config = read_object(parent.path / "config.json")
    if config.search:
        from workbench.compress.remove_blocks.search.search import find

        chosen = find(ctx, config.search, tokens)
        dropped: Sequence[str] = chosen.dropped
        extra: dict[str, Any] = {"block_search": chosen.report, "warnings": chosen.warnings}
    else:
        for problem in config._problems(unet_config):
            raise InputError(f"remove_blocks: {problem}")
        dropped, extra = config.dropped(), {}
    plan = student_of(unet_config, dropped)
    teacher = load_frozen(parent.path)
    student = UNet2DConditionModel.from_config(plan.config)
    copied = plan.copy_weights(student, teacher)
    made = replace(parent, path=ctx.out / parent.name)
    save_unet(student, made.path, None)
    report = {"copied_tensors": copied, "teacher_tensors": len(teacher.state_dict())}
    report |= _removed(teacher, student, dropped, tokens) | extra
    return StepResult.of(made, report)


def _removed(teacher: Any, student: Any, dropped: Sequence[str], tokens: int) -> dict[str, Any]:
    from workbench.runtimes.torch.counting import count_unet

    before, after = (count_unet(dict(m.config), tokens=tokens) for m in (teacher, student))
    rows = []
    for name in dropped:
        inside = [layer for layer in before.layers if layer.layer == name or layer.layer.startswith(f"{name}.")]
        sums = {"params": "params", "macs": "macs", "macs_attention": "attention_macs"}
        rows.append({"block": name} | {key: sum(getattr(layer, of) for layer in inside) for key, of in sums.items()})
    return {"dropped": rows, **before.change_to(after)}
