"""The chain of a recipe's steps: order, files, what each step says of its denoiser, and the names that they make."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from workbench.compress.registry import StepConfig
from workbench.data.check_sets import set_problems
from workbench.errors import InputError, did_you_mean
from workbench.models.candidate import at
from workbench.models.families import denoisers, family_of, parts
from workbench.models.guidance import FIELD
from workbench.recipe.hooks import ChangesDenoiser, ChecksDenoiser, ChecksModel
from workbench.recipe.plan_sets import needed
from workbench.recipe.schema import Recipe
from workbench.recipe.yaml_lines import Problem
from workbench.store.files import unreadable

Fault = tuple[str, str]
"""A key inside a step, "" for the step itself, and what is wrong there."""


def chain_problems(recipe: Recipe) -> Iterator[Problem]:
    """What is wrong with data sets and steps whatever the model."""
    faulty_sets = list(set_problems(recipe.data_sets))
    yield from faulty_sets
    names = recipe.candidate_names()
    left_by: list[dict[str, int]] = [{}]
    """For every candidate: component to the step that made it a runtime's file."""
    for i, (entry, parent) in enumerate(zip(recipe.steps, recipe.parents(), strict=True)):
        faults = [*_order(recipe, i, left_by, left_by[parent]), *_names(entry.config, names, i), *_files(entry.config)]
        faults += [] if faulty_sets else _data(recipe, entry.config, names[: i + 1])
        yield from _in_step(recipe, i, faults)
        left_by.append({**dict.fromkeys(entry.config.leaves_files(), i), **left_by[parent]})


def _in_step(recipe: Recipe, i: int, faults: Iterable[Fault]) -> list[Problem]:
    place = ("steps", i, recipe.steps[i].kind)
    return [
        ((*place, *(int(part) if part.isdecimal() else part for part in key.split(".") if part)), what)
        for key, what in faults
    ]


def _order(recipe: Recipe, i: int, left_by: Sequence[Mapping[str, int]], left: Mapping[str, int]) -> Iterator[Fault]:
    """A step that needs a component as a torch model after one that left it as a runtime's file."""
    config, there = recipe.steps[i].config, recipe.candidate_names()[: i + 1]
    for key, name in config.others().items():
        if name not in there:
            yield key, _absent(name, there)
        elif denoisers() & left_by[there.index(name)].keys():
            yield key, f"found {name!r}, whose denoiser is a runtime's file; needs one from before it was quantized"
    gone = sorted(config.takes() & left.keys())
    if gone:
        step, role = left[gone[0]], parts()[gone[0]].role
        what = f"needs the {role} as a torch model and can't follow {recipe.steps[step].kind} (steps.{step})"
        yield "", f"{what}, which leaves a runtime's file; move it before that step, or start elsewhere with from:"


def _names(config: StepConfig, names: Sequence[str], i: int) -> Iterator[Fault]:
    """A name that is taken, and a start from a candidate that isn't there, or isn't there yet."""
    name, there = config.candidate or names[i + 1], names[: i + 1]
    if name == "base":
        yield "candidate", "found 'base', the name of the untouched model; needs another name"
    elif name in there:
        yield "candidate", f"found {name!r}, the name of steps.{names.index(name) - 1}; needs another name"
    if config.from_ is not None and config.from_ not in there:
        yield "from", _absent(config.from_, there)


def _data(recipe: Recipe, config: StepConfig, there: Sequence[str]) -> Iterator[Fault]:
    """A data set that isn't there, or one whose teacher comes later."""
    sets, name = [data_set.name for data_set in recipe.data_sets], config.data_set
    if name is None:
        return
    if name not in sets:
        yield "data", _absent(name, sets) if sets else f"found {name!r}; no data_sets"
        return
    for data_set in needed(recipe.data_sets, name):
        if data_set.teacher is not None and data_set.teacher not in there:
            yield "data", f"found {name!r}, for which {data_set.teacher!r} draws; needs one of {', '.join(there)}"


def _absent(name: str, there: Sequence[str]) -> str:
    return f"found {name!r}; needs one of {', '.join(there)}{did_you_mean(name, there)}"


def _files(config: StepConfig) -> Iterator[Fault]:
    try:
        files = config.files()
    except InputError as error:
        yield "", error.line
        return
    for key, path in files.items():
        if problem := unreadable(path):
            yield key, f"found {str(path)!r}, {problem}"


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
            return configs, _in_step(recipe, i, problems)
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
) -> Iterator[Fault]:
    """What one step says of the denoiser that it would meet, and of the model."""
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
            elif (metric := recipe.metric_beside(table)).of_reference and name == there[0]:
                what = f"found {name!r}, against which {metric.name} is measured; it has none itself"
            if what is not None:
                yield ("published", i, "values", name), what
