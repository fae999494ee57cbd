"""From a recipe to the chain of keys: what would be computed, and under which key each result lies."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from workbench.compress.registry import Step, StepConfig, steps
from workbench.recipe.plan_sets import Given, PlannedSet, plan_sets
from workbench.recipe.schema import Recipe
from workbench.store.depends import depends_on
from workbench.store.files import hash_file
from workbench.store.store import key_of


def _no_folder(folder: str) -> str:
    raise ValueError(f"{folder}: no key of its contents was given")


@dataclass(frozen=True)
class PlannedStep:
    """One step with the key of its result and the name of its candidate."""

    step: Step
    config: StepConfig
    candidate: str
    key: str
    parent: int
    """Position of the candidate that it starts from; 0 is the untouched model."""
    others: Mapping[str, int] = field(default_factory=dict)
    """Positions of further candidates that it reads, by name."""
    sets: tuple[PlannedSet, ...] = ()
    """The data set that it is trained on, the last, and those that this is made from; none: the recipe's data."""


def plan_steps(
    recipe: Recipe,
    base_key: str,
    data_key: str,
    folder_key: Callable[[str], str] = _no_folder,
    scorer: str = "none",
) -> list[PlannedStep]:
    """The recipe's steps with their keys.

    A key covers the step's config (not the candidate's name), code, libraries and files, the seed, the data, the
    untouched model, the chain before it, and of the machine what the step's result depends on; so a change recomputes
    from there on and nothing before it.
    ``folder_key``: key of the contents of a folder that a data set is made from. ``scorer``: of the model's scorer.
    """
    planned: list[PlannedStep] = []
    keys, names = [base_key], recipe.candidate_names()
    prompts = recipe.evaluate.prompts
    texts_key = (
        hash_file(Path(prompts)) if prompts and data_key == "none" else data_key
    )  # prompts stand in for captions
    given = Given(recipe.seed, data_key, folder_key, scorer, prompts)
    for entry, name, parent in zip(recipe.steps, names[1:], recipe.parents(), strict=True):
        step = steps()[entry.kind]
        others = {name: names.index(name) for name in entry.config.others().values()}
        sets: list[PlannedSet] = []
        if entry.config.data_set is not None:
            sets = plan_sets(recipe.data_sets, entry.config.data_set, names[: len(keys)], keys, given)
        parts: dict[str, Any] = {
            "step": step.kind,
            "config": entry.config.model_dump(mode="json", exclude={"candidate", "from_", "data"}),
            "files": {key: hash_file(path) for key, path in entry.config.files().items()},
            **depends_on(step.apply, *sorted(entry.config.reached()), without=entry.config.unreached()),
            "seed": recipe.seed,
            "data": sets[-1].key if sets else texts_key,
            "base": base_key,
            "parent": keys[parent],
            **({"others": [keys[i] for i in others.values()]} if others else {}),
            **({"machine": machine} if (machine := entry.config.machine()) else {}),
        }
        keys.append(key_of(parts))
        planned.append(PlannedStep(step, entry.config, name, keys[-1], parent, others, tuple(sets)))
    return planned
