"""Figures that others published, which a recipe sets beside its own: what may be said, and of whom."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.errors import did_you_mean
from workbench.metrics.registry import metrics
from workbench.models.candidate import at
from workbench.models.families import family_of
from workbench.models.guidance import FIELD
from workbench.recipe.hooks import ChangesUNet

if TYPE_CHECKING:
    from workbench.recipe.problem import Problem
    from workbench.recipe.schema import Recipe


def published_problems(recipe: Recipe, folder: Path) -> Iterator[Problem]:
    """Published figures of candidates that the report won't have.

    Args:
        folder: the recipe's model. The steps must be such that ``unet_problems`` finds nothing wrong with them.
    """
    if not recipe.published:
        return
    family = family_of(folder)
    shown = shown_names(recipe, family.configs(folder)(family.denoiser.name))
    reference = next(iter(shown.values()))[0]
    for i, table in enumerate(recipe.published):
        for name in table.values:
            what = _absent(name, shown)
            if what is None and metrics()[table.metric].of_reference and name == reference:
                what = f"found {name!r}, against which {table.metric} is measured; it has none itself"
            if what is not None:
                yield ("published", i, "values", name), what


def shown_names(recipe: Recipe, unet_config: Mapping[str, Any]) -> dict[str, list[str]]:
    """For every candidate in order the names under which the report shows it: for few-step ones, one a step count.

    Args:
        unet_config: the config of the untouched model's denoiser.
    """
    configs = [unet_config]
    for entry, parent in zip(recipe.steps, recipe.parents(), strict=True):
        step, config = entry.config, configs[parent]
        configs.append(step.unet_config_after(config) if isinstance(step, ChangesUNet) else config)
    return {
        name: [at(name, count) for count in recipe.evaluate.few_steps] if config.get(FIELD) else [name]
        for name, config in zip(recipe.candidate_names(), configs, strict=True)
    }


def _absent(name: str, shown: Mapping[str, Sequence[str]]) -> str | None:
    """What is wrong with a name, or None where the report has it."""
    there = [each for names in shown.values() for each in names]
    if name in there:
        return None
    if name in shown:
        return f"found {name!r}, which is drawn in few steps; needs a name with their count: {', '.join(shown[name])}"
    return f"found {name!r}; needs one of {', '.join(there)}{did_you_mean(name, there)}"
