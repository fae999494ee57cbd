"""The stages of a recipe in order, each with its cost: steps, exports, what is drawn and scored, what is profiled."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from workbench.data.captioned import captions, is_there
from workbench.forecast.cost import NOTHING, Cost, Facts, Pass
from workbench.forecast.counts import pass_of, timesteps_of
from workbench.forecast.shapes import export
from workbench.models.families import family_of
from workbench.models.families.base import Config, Family
from workbench.models.guidance import FIELD
from workbench.models.scheduler import read_scheduler
from workbench.recipe.check_steps import shown_names
from workbench.recipe.schema import Recipe
from workbench.recipe.stages_after import evaluating, profiling
from workbench.store.depends import depends_on
from workbench.store.store import Store, key_of
from workbench.training.precision import multiplied


@dataclass(frozen=True)
class Stage:
    """``kind``: of the step, or export, evaluate, profile. ``name``: the candidate, its component, or the target.

    ``identity`` is what exactly it is, "" while nobody knows; ``key`` of its result, where that is known beforehand.
    """

    kind: str
    name: str
    cost: Cost
    identity: str = ""
    key: str = ""
    words: str = ""
    """What makes it long, such as 128 pictures × 25 steps × 2 passes."""


@dataclass(frozen=True)
class Chain:
    """What is known of a recipe's candidates before they are made: by position, the passes of their components, whether
    they are drawn in few steps, which of them are runtimes' files, and their keys; none: nobody knows them yet."""

    family: Family
    passes: Sequence[Mapping[str, Pass]]
    few: Sequence[bool]
    files: Sequence[frozenset[str]]
    keys: Sequence[str]


def stages_of(
    recipe: Recipe, folder: Path, configs: Sequence[Mapping[str, Any]], store: Store, keys: Sequence[str] = ()
) -> list[Stage]:
    """All stages of a run on the pipeline in ``folder``.

    Args:
        configs: of every candidate's denoiser.
        keys: of every candidate, the untouched model first; none: nobody knows them, since the store is empty.
    """
    steps, chain = _steps(recipe, folder, configs, store, keys)
    names, shown = recipe.candidate_names(), shown_names(recipe, configs)
    times = partial(timesteps_of, read_scheduler(folder), store=store)
    drawn = [(each, i) for i, name in enumerate(names) for each in shown[name]]
    later = [*evaluating(recipe, folder, chain, drawn, times), *profiling(recipe, chain, drawn)]
    return [*steps, *_exports(chain, names), *(Stage(*parts) for parts in later)]


def _steps(
    recipe: Recipe, folder: Path, configs: Sequence[Mapping[str, Any]], store: Store, keys: Sequence[str]
) -> tuple[list[Stage], Chain]:
    family, names = family_of(folder), recipe.candidate_names()
    of_folder, denoiser = family.configs(folder), family.denoiser.name
    base = {part.name: _pass(family, part.name, of_folder(part.name), folder, folder, store) for part in family.parts}
    passes, files = [base], [frozenset[str]()]
    times = partial(timesteps_of, read_scheduler(folder), store=store)
    texts = captions(recipe.data, folder) if is_there(recipe.data, folder) else []
    stages: list[Stage] = []
    for i, (entry, parent) in enumerate(zip(recipe.steps, recipe.parents(), strict=True)):
        same = configs[i + 1] == configs[parent]
        made = passes[parent][denoiser] if same else _pass(family, denoiser, configs[i + 1], folder, None, store)
        facts = Facts(
            base=base,
            parent=passes[parent],
            made=made,
            denoiser=denoiser,
            encoder=family.prompt_encoder.name,
            decoder=family.decoder.name,
            captions=len(dict.fromkeys(texts)),
            pictures=len(texts),
            few=bool(configs[parent].get(FIELD)),
            half=multiplied,
            timesteps=lambda steps, few: times(steps, few),
            others={name: each[denoiser] for name, each in zip(names, passes, strict=False)},
        )
        cost = entry.config.cost(facts)
        passes.append({**passes[parent], denoiser: made, **cost.made})
        files.append(files[parent] - ({denoiser} if made is not passes[parent][denoiser] else set()))
        files[-1] |= entry.config.leaves_files()
        key = keys[i + 1] if keys else ""
        words = ", ".join(f"{count} {name.replace('.', ' ')}" for name, count in entry.config.sizes.items())
        stages.append(Stage(entry.kind, names[i + 1], cost, key, key, words))
    return stages, Chain(family, passes, [bool(config.get(FIELD)) for config in configs], files, keys)


def _exports(chain: Chain, names: Sequence[str]) -> Iterator[Stage]:
    """Of every network that is a torch module, once; those of the untouched model first."""
    denoiser = chain.family.denoiser.name
    code = depends_on("workbench.export.onnx")
    for i, name in enumerate(names):
        for component, network in chain.passes[i].items():
            if component in chain.files[i] or (i and component != denoiser):
                continue
            identity = key_of({"export": component, "of": chain.keys[i], **code}) if chain.keys else ""
            yield Stage("export", f"{name}/{component}", export(network), identity)


def _pass(
    family: Family, component: str, config: Mapping[str, Any], folder: Path, own: Path | None, store: Store
) -> Pass:
    """Counted; where that can't be, of its weights alone. All weights of a denoiser's own files are read."""
    part, of_folder = family.part(component), family.configs(folder)

    def configs(name: str) -> Config:
        return dict(config) if name == component else of_folder(name)

    counted = pass_of(part, config, configs, own and own / part.folder, store) or NOTHING
    if counted is NOTHING or (own and component == family.denoiser.name):
        return replace(counted, params=max(counted.params, part.params(folder / part.folder)))
    return counted
