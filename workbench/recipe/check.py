"""Everything that can be known of a recipe before any work. Reads files, writes none, loads no heavy library."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from workbench.data.captioned import data_key
from workbench.data.check_sets import source_problems
from workbench.errors import InputError, RunError
from workbench.models.folder import MADE, notes
from workbench.models.read_json import read_object
from workbench.models.sources import base_there, look
from workbench.recipe.check_drawing import drawing_problems
from workbench.recipe.check_inputs import data_problems, prompts_problems, target_problems
from workbench.recipe.check_metrics import metric_doubts, metric_problems
from workbench.recipe.check_steps import (
    chain_problems,
    denoiser_problems,
    name_problems,
    published_problems,
    shown_names,
)
from workbench.recipe.estimate import estimate
from workbench.recipe.load import Loaded, first_of
from workbench.recipe.plan import plan_steps
from workbench.recipe.plan_profiles import measured_parts, state
from workbench.recipe.plan_sets import scorer_key
from workbench.recipe.schema import Recipe
from workbench.recipe.yaml_lines import Problem
from workbench.runtimes.base import DEFAULT
from workbench.store.files import existing, unwritable
from workbench.store.store import Store


@dataclass(frozen=True)
class CheckReport:
    """A recipe that can be run. ``stored``: candidate after each step to whether its result is in the store already;
    ``profiles``: whether those of this machine are, else why they will be measured;
    ``parents``: what each candidate is made from."""

    recipe: str
    name: str
    folder: str
    stored: Mapping[str, bool]
    profiles: str
    parents: Mapping[str, str]
    params: Mapping[str, int]
    disk_bytes: int
    disk_free_bytes: int
    memory_bytes: int
    memory_available_bytes: int
    warnings: tuple[str, ...]

    def __str__(self) -> str:
        chain = " → ".join(["base", *(self._described(name) for name in self.stored)])
        sizes = ", ".join(f"{name} {count / 1e6:.1f} M" for name, count in self.params.items())
        return "\n".join(
            [
                f"{self.recipe}: can be run",
                f"  model       {self.folder}",
                f"  parameters  {sizes}",
                f"  candidates  {chain}",
                *([f"  profiles    {self.profiles}"] if self.profiles else []),
                f"  disk        at most {_gb(self.disk_bytes)} more, {_gb(self.disk_free_bytes)} free",
                f"  memory      {_gb(self.memory_bytes)} and activations, {_gb(self.memory_available_bytes)} available",
                *(f"  warning: {warning}" for warning in self.warnings),
            ]
        )

    def _described(self, name: str) -> str:
        order = ["base", *self.stored]
        parent = self.parents[name]
        notes = [f"from {parent}"] if parent != order[order.index(name) - 1] else []
        notes += ["stored"] if self.stored[name] else []
        return f"{name} ({', '.join(notes)})" if notes else name


def check_recipe(loaded: Loaded, store: Store, out: Path = Path(), free_bytes: int | None = None) -> CheckReport:
    """Checks model, step order, names, files, data, prompts, permissions, disk and memory.

    Args:
        out: folder under which profiles/ and reports/ will be written.
        free_bytes: disk that may be used; default: what is free where the store lies.

    Raises:
        InputError: the recipe can't be run; every problem is in the one message, with file, line and key.
        RunError: the model is on the Hub, which can't be reached.
    """
    with ExitStack() as held:
        return _checked(loaded, store, out, free_bytes, held)


def _checked(loaded: Loaded, store: Store, out: Path, free_bytes: int | None, held: ExitStack) -> CheckReport:
    recipe = loaded.recipe
    problems: list[Problem] = [*chain_problems(recipe), *prompts_problems(recipe), *target_problems(recipe)]
    try:
        folder: Path | None = held.enter_context(look(recipe.model))
    except InputError as error:
        folder = None
        problems += [_placed(recipe, line) for line in error.line.splitlines()]
    except RunError as error:
        raise RunError(f"{loaded.where(('model',))}: {error.message}", hint=error.hint) from None
    if folder is not None:
        configs, of_steps = denoiser_problems(recipe, folder)
        problems += [*of_steps, *data_problems(recipe, folder)]
        if not of_steps:  # which names the report has depends on what the steps make of the denoiser
            problems += drawing_problems(recipe, folder, configs)
            shown = shown_names(recipe, configs)
            problems += [*name_problems(recipe, shown), *published_problems(recipe, shown)]
        scorer = (folder / "scorer").is_dir()
        problems += source_problems(recipe.data_sets, folder, scorer, recipe.data)
        problems += metric_problems(recipe, folder)
    messages = list(dict.fromkeys(f"{loaded.where(place)}: {what}" for place, what in problems))
    profiles, reports = out.absolute() / "profiles" / recipe.name, out.absolute() / "reports"
    folders = {store.root: "--store", profiles: "--out", reports: "--out"}
    messages += [f"{f}: {why}; name another folder with {how}" for f, how in folders.items() if (why := unwritable(f))]
    if (page := reports / f"{recipe.name}.html").is_dir():
        messages.append(f"{page}: is a folder; the report goes there: name another folder with --out")
    if messages or folder is None:
        raise first_of(messages, len(messages), loaded.path)

    stored, measured = _stored(loaded, store, shown)
    needs = estimate(recipe, folder, stored)
    free = shutil.disk_usage(existing(store.root)).free if free_bytes is None else free_bytes
    if needs.disk_bytes > free:
        what = f"{store.root}: needs up to {_gb(needs.disk_bytes)} of disk, {_gb(free)} free there"
        raise InputError(f"{loaded.path}: {what}", hint="make room, or name a folder on another disk with --store")
    import psutil

    available = psutil.virtual_memory().available
    names = recipe.candidate_names()
    return CheckReport(
        recipe=str(loaded.path),
        name=recipe.name,
        folder=_shown(folder),
        stored=dict(zip(names[1:], stored, strict=True)),
        profiles=measured,
        parents={name: names[parent] for name, parent in zip(names[1:], recipe.parents(), strict=True)},
        params=needs.params,
        disk_bytes=needs.disk_bytes,
        disk_free_bytes=free,
        memory_bytes=needs.memory_bytes,
        memory_available_bytes=available,
        warnings=(*notes(folder), *_warnings(loaded, folder, needs.memory_bytes, available)),
    )


def _shown(folder: Path) -> str:
    """The model for readers: its folder, or what one is made from."""
    if not (folder / MADE).is_file():
        return str(folder)
    return f"made from {' and '.join(read_object(folder / MADE)['made_from'])}"


def _placed(recipe: Recipe, line: str) -> Problem:
    """A problem of the model with the key that it is about."""
    if isinstance(recipe.model, str):
        return ("model",), line
    for i, lora in enumerate(recipe.model.loras):
        if line.startswith(f"{lora.path}: "):
            return ("model", "loras", i, "path"), line
    key, _, what = line.partition(": ")
    return (("model", key), what) if key in type(recipe.model).model_fields else (("model", "path"), line)


def _stored(loaded: Loaded, store: Store, shown: Mapping[str, Sequence[str]]) -> tuple[list[bool], str]:
    """For every step, whether its result is in the store, and the state of this machine's profiles.

    Asked only of a store that has results; ``shown``: see ``shown_names``.
    """
    recipe = loaded.recipe
    if not (store.root / "results").is_dir():
        return [False] * len(recipe.steps), ""
    base = base_there(recipe.model, store)
    if base is None:
        return [False] * len(recipe.steps), ""
    keys = partial(data_key, source=base.source, store=store)
    plan = plan_steps(recipe, base.key, keys(recipe.data), keys, scorer_key(base.source, store))
    stored = [store.has(planned.key) for planned in plan]
    if "host" not in recipe.profile.targets:
        return stored, ""
    made = zip(recipe.candidate_names(), [base.key, *(planned.key for planned in plan)], strict=True)
    candidates = [(each, key) for name, key in made for each in shown[name]]
    return stored, state(store, recipe.name, measured_parts(recipe, candidates, base.family.formula))


def _warnings(loaded: Loaded, folder: Path, memory: int, available: int) -> Iterator[str]:
    if memory > available:
        yield f"memory: needs about {_gb(memory)} and activations, {_gb(available)} are available; a run may be killed"
    profile, runs = loaded.recipe.profile, list[str]()
    for target in profile.targets:
        runs += profile.runtimes if target == "host" else [DEFAULT]  # the runner on a device is ONNX Runtime's
    for i, entry in enumerate(loaded.recipe.steps):
        for key, what in entry.config.doubts(list(dict.fromkeys(runs))):
            yield f"{loaded.where(('steps', i, entry.kind, key))}: {what}"
    for place, what in metric_doubts(loaded.recipe, folder):
        yield f"{loaded.where(place)}: {what}"
    cores, threads = len(os.sched_getaffinity(0)), profile.threads
    if threads is not None and threads > cores:
        where = loaded.where(("profile", "threads"))
        yield f"{where}: found {threads}, but this process may use {cores} cores; latencies will say little"


def _gb(count: int) -> str:
    return f"{count / 1e9:.1f} GB"
