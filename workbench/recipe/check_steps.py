"""The chain of a recipe's steps: order, files, what each step says of its denoiser, and the names that they make."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from workbench.data.check_sets import set_problems
from workbench.errors import InputError, did_you_mean
from workbench.metrics.registry import metrics
from workbench.models.candidate import at
from workbench.models.families import denoisers, family_of, parts
from workbench.models.guidance import FIELD
from workbench.recipe.hooks import ChangesDenoiser, ChecksDenoiser, ChecksModel
from workbench.recipe.plan_sets import needed
from workbench.recipe.schema import Recipe
from workbench.recipe.yaml_lines import Place, Problem
from workbench.store.files import unreadable


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
            yield ("steps", i, entry.kind), error.line
            continue
        for key, path in files.items():
            if problem := unreadable(path):
                yield ("steps", i, entry.kind, *_split(key)), f"found {str(path)!r}, {problem}"


def denoiser_problems(recipe: Recipe, folder: Path) -> tuple[list[Mapping[str, Any]], list[Problem]]:
    """The config of every candidate's denoiser in order, and what the steps say of the one that each would meet.

    Ends at the first step that can't work with it.
    """
    family = family_of(folder)
    configs: list[Mapping[str, Any]] = [family.configs(folder)(family.denoiser.name)]
    for i, (entry, parent) in enumerate(zip(recipe.steps, recipe.parents(), strict=True)):
        try:
            problems = list(_of_step(recipe, i, parent, configs, folder))
            step, config = entry.config, configs[parent]
            after = step.unet_config_after(config) if isinstance(step, ChangesDenoiser) and not problems else config
        except InputError as error:
            problems = [("", error.line)]
        if problems:
            return configs, [(("steps", i, entry.kind, *_split(key)), what) for key, what in problems]
        configs.append(after)
    if "few_steps" in recipe.evaluate.model_fields_set and not any(config.get(FIELD) for config in configs):
        what = (
            f"found {recipe.evaluate.few_steps}, but no candidate's denoiser has an embedding of guidance "
            f"({FIELD}); needs the step distill_consistency, or a student that has it"
        )
        return configs, [(("evaluate", "few_steps"), what)]
    return configs, []


def _of_step(
    recipe: Recipe, i: int, parent: int, configs: Sequence[Mapping[str, Any]], folder: Path
) -> Iterator[tuple[str, str]]:
    """Problems of one step as (key inside the step, sentence)."""
    step, config, names = recipe.steps[i].config, configs[parent], recipe.candidate_names()
    is_a = family_of(folder).denoiser.cls
    if step.denoiser_class not in (None, is_a):
        yield "", f"works on a {step.denoiser_class} only, and this model's denoiser is a {is_a}"
        return
    yield from step.check(config, names[: i + 1]) if isinstance(step, ChecksDenoiser) else ()
    yield from step.check_model(folder) if isinstance(step, ChecksModel) else ()
    if config.get(FIELD) and step.denoises:
        what = f"{names[parent]} is distilled to few steps, but this step runs it as one of many; move it before that"
        yield "", what
    for key, name in step.others().items():
        if name in names[: i + 1] and configs[names.index(name)].get(FIELD):
            yield key, f"found {name!r}, which is distilled to few steps; needs one that is drawn in many"


def shown_names(recipe: Recipe, configs: Sequence[Mapping[str, Any]]) -> dict[str, list[str]]:
    """For every candidate in order the names under which the report shows it: for few-step ones, one a step count.

    Args:
        configs: of every candidate's denoiser.
    """
    return {
        name: [at(name, count) for count in recipe.evaluate.few_steps] if config.get(FIELD) else [name]
        for name, config in zip(recipe.candidate_names(), configs, strict=True)
    }


def name_problems(recipe: Recipe, shown: Mapping[str, Sequence[str]]) -> Iterator[Problem]:
    """Candidates that the report would show under another's name: ``few`` in two steps, and one named few-2steps."""
    names, seen = recipe.candidate_names(), dict[str, str]()
    for i, name in enumerate(names):
        for each in shown[name]:
            if each in seen and i:
                what = f"found {name!r}, which the report shows as {each}, as it does {seen[each]}; needs another name"
                yield ("steps", i - 1, recipe.steps[i - 1].kind, "candidate"), what
            seen[each] = name


def published_problems(recipe: Recipe, shown: Mapping[str, Sequence[str]]) -> Iterator[Problem]:
    """Published figures of candidates that the report won't have."""
    there = [each for names in shown.values() for each in names]
    for i, table in enumerate(recipe.published):
        for name in table.values:
            what = None
            if name in shown and name not in there:
                counted = ", ".join(shown[name])
                what = f"found {name!r}, which is drawn in few steps; needs a name with their count: {counted}"
            elif name not in there:
                what = _absent(name, there)
            elif metrics()[table.metric].of_reference and name == there[0]:
                what = f"found {name!r}, against which {table.metric} is measured; it has none itself"
            if what is not None:
                yield ("published", i, "values", name), what


def _split(key: str) -> Place:
    return tuple(int(part) if part.isdecimal() else part for part in key.split(".") if part)
