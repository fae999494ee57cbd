"""The denoising steps that a recipe asks of the model's scheduler, wherever it draws pictures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from workbench.models.guidance import FIELD
from workbench.models.scheduler import read_scheduler
from workbench.models.scheduler_config import steps_problem
from workbench.recipe.schema import Recipe
from workbench.recipe.yaml_lines import Place, Problem


def drawing_problems(recipe: Recipe, folder: Path, configs: Sequence[Mapping[str, Any]]) -> Iterator[Problem]:
    """Numbers of steps that the scheduler can't make. ``configs``: of every candidate's denoiser."""
    scheduler = read_scheduler(folder)
    asked = _asked(recipe, [bool(config.get(FIELD)) for config in configs]) if scheduler else ()
    for place, steps, few in asked:
        if wrong := steps_problem(scheduler, steps, few):
            yield place, wrong


def _asked(recipe: Recipe, few: Sequence[bool]) -> Iterator[tuple[Place, int, bool]]:
    """Where steps are asked for, how many, and whether of a denoiser that was distilled to few."""
    names = recipe.candidate_names()
    if not all(few):
        yield ("evaluate", "steps"), recipe.evaluate.steps, False
    if any(few):
        for i, steps in enumerate(recipe.evaluate.few_steps):
            yield ("evaluate", "few_steps", i), steps, True
    for i, data_set in enumerate(recipe.data_sets):
        if drawn := data_set.synthesize:
            by_few = drawn.from_ in names and few[names.index(drawn.from_)]
            yield ("data_sets", i, "synthesize", "steps"), drawn.steps, by_few
    for i, (entry, parent) in enumerate(zip(recipe.steps, recipe.parents(), strict=True)):
        for key, steps in entry.config.draws.items():
            yield ("steps", i, entry.kind, *key.split(".")), steps, few[parent]
