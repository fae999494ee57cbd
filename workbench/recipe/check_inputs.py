"""The files that a recipe names besides the model: captioned pictures and prompts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from workbench.data.captioned import check as check_data
from workbench.data.captioned import is_there
from workbench.data.lines import prompts_problem
from workbench.data.operation import HELD_OUT, TRAIN
from workbench.devices.target import devices_of
from workbench.errors import InputError, WorkbenchError, did_you_mean
from workbench.recipe.schema import Recipe
from workbench.recipe.yaml_lines import Problem
from workbench.runtimes.base import described, installed


def target_problems(recipe: Recipe) -> Iterator[Problem]:
    """Runtimes that aren't installed, devices that aren't ready, targets of the choice without measurements."""
    runtimes = recipe.profile.runtimes
    for i, name in enumerate(runtimes):
        if not installed(name):
            yield (
                ("profile", "runtimes", i),
                f"found {name!r}, which is not installed; needs: {described(name).install_line}",
            )
    there = [described(name).target for name in runtimes] if "host" in recipe.profile.targets else []
    for i, asked in enumerate(recipe.profile.targets):
        if asked != "host":
            try:
                library = recipe.profile.device.ort_library
                there += [ready.target for ready in devices_of([asked], Path(library) if library else None)]
            except WorkbenchError as error:
                yield ("profile", "targets", i), error.line
                return
    for i, target in enumerate(recipe.rank.targets or ()):
        if target not in there:
            meant = did_you_mean(target, there)
            yield (
                ("rank", "targets", i),
                f"found {target!r}, on which nothing is measured; needs one of {', '.join(there)}{meant}",
            )


def prompts_problems(recipe: Recipe) -> Iterator[Problem]:
    """What is wrong with ``evaluate.prompts``."""
    if recipe.evaluate.prompts is None:
        return
    if problem := prompts_problem(Path(recipe.evaluate.prompts)):
        yield ("evaluate", "prompts"), f"found {recipe.evaluate.prompts!r}, {problem}"


def data_problems(recipe: Recipe, source: Path) -> Iterator[Problem]:
    """What is wrong with the captioned pictures, where the recipe names some or something in it needs them."""
    readers = [entry.kind for entry in recipe.steps if entry.config.reads_data]
    with_pictures = (readers and is_there(None, source)) or any(entry.config.reads_pictures for entry in recipe.steps)
    drawn = recipe.evaluate.pictures > 0 and recipe.evaluate.prompts is None
    if recipe.data is None and not drawn and not with_pictures:
        return
    try:
        splits = check_data(recipe.data, source)
        if TRAIN not in splits and readers:
            raise InputError(f"no row has the split 'train'; {readers[0]} needs some")
        if drawn and not {TRAIN, HELD_OUT} & splits:
            raise InputError("no row has the split 'train' or 'held_out'; their captions are drawn")
    except InputError as error:
        yield ("data",), error.line.removeprefix("data: ")
