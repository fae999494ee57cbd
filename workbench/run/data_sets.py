"""The data sets of a recipe, from the store or made: what draws and what scores is joined to the data's operations."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from workbench.data.build import build
from workbench.data.encode import keep
from workbench.data.operation import Context
from workbench.evaluate.drawing import drawing, held_out, scorer, side
from workbench.models.candidate import Candidate
from workbench.recipe.plan import PlannedStep
from workbench.recipe.plan_sets import PlannedSet
from workbench.run.session import Session
from workbench.store.store import Store


def made(planned: Sequence[PlannedSet], chain: Sequence[Candidate], session: Session) -> Path:
    """The folder of the last planned set; it and those that it is made from are made where the store lacks them."""
    recipe, store, source = session.recipe, session.store, chain[0].source
    for data_set in planned:
        teacher = None if data_set.teacher is None else chain[data_set.teacher]

        def work(out: Path, data_set: PlannedSet = data_set, teacher: Candidate | None = teacher) -> dict[str, Any]:
            context = Context(
                source=source,
                seed=recipe.seed,
                side=side(source),
                score=scorer(source) if data_set.config.needs_scorer else None,
                draw=None if teacher is None else drawing(teacher, store),
                held_out=held_out(recipe.data, source, recipe.evaluate.prompts),
                data=recipe.data,
            )
            inputs = {name: store.folder(key) for name, key in data_set.inputs.items()}
            start = time.monotonic()
            manifest = build(data_set.config, inputs, context, out, session.progress)
            keep(out, source, session.progress)
            return {**manifest, "seconds": time.monotonic() - start}

        store.compute(data_set.key, work)
    return store.folder(planned[-1].key)


def manifests(plan: Sequence[PlannedStep], store: Store) -> dict[str, dict[str, Any]]:
    """What every data set of a plan says of itself, by name; one that a shipped result was made with isn't here."""
    sets = {data_set.config.name: store.get(data_set.key) for planned in plan for data_set in planned.sets}
    return {name: manifest for name, manifest in sets.items() if manifest is not None}
