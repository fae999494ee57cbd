"""Everything that can be known of a recipe before any work, and what the work will take. Changes nothing."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from workbench.data.captioned import data_key
from workbench.data.check_sets import source_problems
from workbench.errors import InputError, RunError
from workbench.forecast.machine import busy
from workbench.forecast.words import gigabytes
from workbench.models.families import family_of
from workbench.models.folder import MADE, notes
from workbench.models.read_json import read_object
from workbench.models.sources import base_there, look
from workbench.recipe.advice import Adviser
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
from workbench.recipe.forecast import Forecast, Row, forecast_of, lines
from workbench.recipe.load import Loaded, first_of, load_recipe
from workbench.recipe.plan import plan_steps
from workbench.recipe.plan_profiles import measured_parts, state
from workbench.recipe.plan_sets import scorer_key
from workbench.recipe.schema import Recipe
from workbench.recipe.yaml_lines import Problem
from workbench.runtimes.base import DEFAULT
from workbench.store.files import existing, unwritable
from workbench.store.processor import usable_cores
from workbench.store.store import Store

MADE_FOLDERS, FP32 = 2, 4
"""Of a model that isn't a folder as it lies there: itself, and with LoRAs; bytes of a weight, at most."""


@dataclass(frozen=True)
class CheckReport:
    """A recipe that can be run. ``stored``: candidate after each step to whether its result is in the store already;
    ``profiles``: whether those of this machine are, else why they will be measured;
    ``parents``: what each candidate is made from; ``forecast``: what every stage will take, ``speed``: how the figures
    from MACs know this machine; ``slow``: what takes days, and what to set instead."""

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
    seconds: float
    speed: str
    forecast: tuple[Row, ...]
    slow: tuple[str, ...]
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
                f"  disk        at most {gigabytes(self.disk_bytes)} more, {gigabytes(self.disk_free_bytes)} free",
                f"  memory      {gigabytes(self.memory_bytes)}, {gigabytes(self.memory_available_bytes)} available",
                *self.ahead(),
                *(f"  warning: {warning}" for warning in self.warnings),
            ]
        )

    def ahead(self) -> list[str]:
        """What is left to do and what it will take, in lines."""
        head = "  forecast    "
        rows = list(lines(self.forecast, self.speed)) or ["all results are stored"]
        return [
            *(f"{head if i == 0 else ' ' * len(head)}{line}" for i, line in enumerate(rows)),
            *(f"  takes long: {line}" for line in self.slow),
            *([f"  busy: {doing}"] if self.seconds and (doing := busy()) else []),
        ]

    def _described(self, name: str) -> str:
        order = ["base", *self.stored]
        parent = self.parents[name]
        notes = [f"from {parent}"] if parent != order[order.index(name) - 1] else []
        notes += ["stored"] if self.stored[name] else []
        return f"{name} ({', '.join(notes)})" if notes else name


def check_recipe(loaded: Loaded, store: Store, out: Path = Path(), free_bytes: int | None = None) -> CheckReport:
    """Checks model, step order, names, files, data, prompts, permissions, disk and memory, and forecasts the run.

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

    stored, measured, keys = _stored(loaded, store, shown)
    ahead = forecast_of(recipe, folder, configs, store, keys)
    family = family_of(folder)
    params = {part.folder: part.params(folder / part.folder) for part in family.parts}
    disk = ahead.disk_bytes + (MADE_FOLDERS * FP32 * sum(params.values()) if (folder / MADE).is_file() else 0)
    free = shutil.disk_usage(existing(store.root)).free if free_bytes is None else free_bytes
    if disk > free:
        what = f"{store.root}: needs up to {gigabytes(disk)} of disk, {gigabytes(free)} free there"
        raise InputError(f"{loaded.path}: {what}", hint="make room, or name a folder on another disk with --store")
    adviser = Adviser(
        loaded,
        ahead,
        lambda override: load_recipe(loaded.path, [*loaded.overrides, override]),
        lambda other: forecast_of(other.recipe, folder, configs, store),
    )
    most = recipe.max_memory_bytes
    beyond = list(adviser.too_large(most)) if most is not None else []
    if beyond:
        where = loaded.where(("max_memory_gb",))
        raise first_of(
            (f"{where}: found {recipe.max_memory_gb:g}; {what}" for what in beyond), len(beyond), loaded.path
        )
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
        params=params,
        disk_bytes=disk,
        disk_free_bytes=free,
        memory_bytes=ahead.memory_bytes,
        memory_available_bytes=available,
        seconds=ahead.seconds,
        speed=ahead.of,
        forecast=ahead.rows,
        slow=tuple(adviser.slow()),
        warnings=(*notes(folder), *_warnings(loaded, folder, ahead, available)),
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


def _stored(loaded: Loaded, store: Store, shown: Mapping[str, Sequence[str]]) -> tuple[list[bool], str, list[str]]:
    """For every step, whether its result is in the store; the state of this machine's profiles; the candidates' keys.

    Asked only of a store that has results; ``shown``: see ``shown_names``.
    """
    recipe = loaded.recipe
    if not (store.root / "results").is_dir():
        return [False] * len(recipe.steps), "", []
    base = base_there(recipe.model, store)
    if base is None:
        return [False] * len(recipe.steps), "", []
    of_data = partial(data_key, source=base.source, store=store)
    plan = plan_steps(recipe, base.key, of_data(recipe.data), of_data, scorer_key(base.source, store))
    keys = [base.key, *(planned.key for planned in plan)]
    stored = [store.has(key) for key in keys[1:]]
    if "host" not in recipe.profile.targets:
        return stored, "", keys
    candidates = [(each, key) for name, key in zip(recipe.candidate_names(), keys, strict=True) for each in shown[name]]
    return stored, state(store, recipe.name, measured_parts(recipe, candidates, base.family.formula)), keys


def _warnings(loaded: Loaded, folder: Path, ahead: Forecast, available: int) -> Iterator[str]:
    if ahead.memory_bytes > available:
        worst = max(ahead.rows, key=lambda row: row.memory_bytes)
        needs = f"{worst.stage} {worst.name} needs about {gigabytes(worst.memory_bytes)}"
        yield f"memory: {needs}, {gigabytes(available)} are available; a run may be killed"
    profile, runs = loaded.recipe.profile, list[str]()
    for target in profile.targets:
        runs += profile.runtimes if target == "host" else [DEFAULT]  # the runner on a device is ONNX Runtime's
    for i, entry in enumerate(loaded.recipe.steps):
        for key, what in entry.config.doubts(list(dict.fromkeys(runs))):
            yield f"{loaded.where(('steps', i, entry.kind, key))}: {what}"
    for place, what in metric_doubts(loaded.recipe, folder):
        yield f"{loaded.where(place)}: {what}"
    cores, threads = usable_cores(), profile.threads
    if threads is not None and threads > cores:
        where = loaded.where(("profile", "threads"))
        yield f"{where}: found {threads}, but this process may use {cores} cores; latencies will say little"
