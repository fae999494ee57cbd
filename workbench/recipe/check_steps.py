"""The chain of a recipe's steps: order, names, files, and what each step says of the U-Net that it would meet."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from workbench.data.check_sets import set_problems
from workbench.errors import InputError, did_you_mean
from workbench.models.families import denoisers, family_of, parts
from workbench.models.guidance import FIELD
from workbench.recipe.hooks import ChangesUNet, ChecksModel, ChecksUNet
from workbench.recipe.plan_sets import needed
from workbench.recipe.problem import Problem
from workbench.recipe.schema import Recipe
from workbench.recipe.yaml_lines import Place


def chain_problems(recipe: Recipe) -> Iterator[Problem]:
    """What is wrong with the steps whatever the model."""
    yield from _order(recipe)
    yield from _names(recipe)
    yield from _branches(recipe)
    yield from _files(recipe)
    problems = list(set_problems(recipe.data_sets))
    yield from problems or _set_uses(recipe)


def _order(recipe: Recipe) -> Iterator[Problem]:
    """Steps that need a component as a torch model after one that left it as a runtime's file."""
    left_by: list[dict[str, int]] = [{}]
    """For every candidate: component to the step that made it a file."""
    for i, (entry, parent) in enumerate(zip(recipe.steps, recipe.parents(), strict=True)):
        before = left_by[parent]
        for key, name in entry.config.others().items():
            there = recipe.candidate_names()[: i + 1]
            if name not in there:
                yield ("steps", i, entry.kind, *_split(key)), _absent(name, there)
            elif denoisers() & left_by[there.index(name)].keys():
                what = f"found {name!r}, whose denoiser is a runtime's file; needs one from before it was quantized"
                yield ("steps", i, entry.kind, *_split(key)), what
        gone = sorted(entry.config.takes() & before.keys())
        if gone:
            step = before[gone[0]]
            role = parts()[gone[0]].role
            what = f"needs the {role} as a torch model and can't follow {recipe.steps[step].kind} (steps.{step})"
            yield (
                ("steps", i, entry.kind),
                f"{what}, which leaves a runtime's file; move it before that step, or start elsewhere with from:",
            )
        left_by.append({**dict.fromkeys(entry.config.leaves_files(), i), **before})


def _set_uses(recipe: Recipe) -> Iterator[Problem]:
    """Steps that name a data set that isn't there, or one whose teacher comes later."""
    sets, names = [data_set.name for data_set in recipe.data_sets], recipe.candidate_names()
    for i, entry in enumerate(recipe.steps):
        asked = entry.config.data_set
        if asked is None:
            continue
        if asked not in sets:
            yield ("steps", i, entry.kind, "data"), _absent(asked, sets) if sets else f"found {asked!r}; no data_sets"
            continue
        for data_set in needed(recipe.data_sets, asked):
            if data_set.teacher is not None and data_set.teacher not in names[: i + 1]:
                what = (
                    f"found {asked!r}, for which {data_set.teacher!r} draws; needs one of {', '.join(names[: i + 1])}"
                )
                yield ("steps", i, entry.kind, "data"), what


def _branches(recipe: Recipe) -> Iterator[Problem]:
    """Steps that start from a candidate that isn't there, or isn't there yet."""
    names = recipe.candidate_names()
    for i, entry in enumerate(recipe.steps):
        parent, there = entry.config.from_, names[: i + 1]
        if parent is not None and parent not in there:
            yield ("steps", i, entry.kind, "from"), _absent(parent, there)


def _absent(name: str, there: Sequence[str]) -> str:
    meant = did_you_mean(name, there)
    return f"found {name!r}; needs one of {', '.join(there)}{meant}"


def _names(recipe: Recipe) -> Iterator[Problem]:
    names = recipe.candidate_names()
    for i, entry in enumerate(recipe.steps):
        name = entry.config.candidate or names[i + 1]
        if name == "base":
            yield (
                ("steps", i, entry.kind, "candidate"),
                "found 'base', the name of the untouched model; needs another name",
            )
        elif name in names[: i + 1]:
            taken = names.index(name) - 1
            yield (
                ("steps", i, entry.kind, "candidate"),
                f"found {name!r}, the name of steps.{taken}; needs another name",
            )


def _files(recipe: Recipe) -> Iterator[Problem]:
    for i, entry in enumerate(recipe.steps):
        try:
            files = entry.config.files()
        except InputError as error:
            yield ("steps", i, entry.kind), error.message
            continue
        for key, path in files.items():
            if not path.is_file():
                yield ("steps", i, entry.kind, *_split(key)), f"found {str(path)!r}, no such file ({path.absolute()})"
            elif not os.access(path, os.R_OK):
                yield (
                    ("steps", i, entry.kind, *_split(key)),
                    f"found {str(path)!r}, which can't be read (permission denied)",
                )


def unet_problems(recipe: Recipe, folder: Path) -> Iterator[Problem]:
    """What the steps say of the denoiser that each of them would meet; ends at the first that can't work with it."""
    family = family_of(folder)
    configs: list[Mapping[str, Any]] = [family.configs(folder)(family.denoiser.name)]
    names = recipe.candidate_names()
    for i, (entry, parent) in enumerate(zip(recipe.steps, recipe.parents(), strict=True)):
        step, config = entry.config, configs[parent]
        needed, is_a = step.denoiser_class, family.denoiser.cls
        if needed not in (None, is_a):
            yield ("steps", i, entry.kind), f"works on a {needed} only, and this model's denoiser is a {is_a}"
            return
        problems = list(step.check(config, names[: i + 1])) if isinstance(step, ChecksUNet) else []
        problems += step.check_model(folder) if isinstance(step, ChecksModel) else []
        if config.get(FIELD) and step.denoises:
            what = (
                f"{names[parent]} is distilled to few steps, but this step runs it as one of many; move it before that"
            )
            problems.append(("", what))
        for key, name in step.others().items():
            if name in names[: i + 1] and configs[names.index(name)].get(FIELD):
                what = f"found {name!r}, which is distilled to few steps; needs one that is drawn in many"
                problems.append((key, what))
        yield from ((("steps", i, entry.kind, *_split(key)), what) for key, what in problems)
        if problems:
            return
        configs.append(step.unet_config_after(config) if isinstance(step, ChangesUNet) else config)
    if "few_steps" in recipe.evaluate.model_fields_set and not any(c.get(FIELD) for c in configs):
        what = (
            f"found {recipe.evaluate.few_steps}, but no candidate's denoiser has an embedding of guidance "
            f"({FIELD}); needs the step distill_consistency, or a student that has it"
        )
        yield ("evaluate", "few_steps"), what


def _split(key: str) -> Place:
    return tuple(int(part) if part.isdecimal() else part for part in key.split(".") if part)
