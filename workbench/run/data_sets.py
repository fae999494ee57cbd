"""The data sets of a recipe, from the store or made: what draws and what scores is joined to the data's operations."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from workbench.data.build import build
from workbench.data.captioned import captions, is_there, rows
from workbench.data.encode import keep
from workbench.data.lines import numbered
from workbench.data.work import Context, Draw
from workbench.models.candidate import COMPONENTS, Candidate
from workbench.progress import Progress
from workbench.recipe.plan import PlannedStep
from workbench.recipe.plan_sets import PlannedSet
from workbench.store.store import Store


def made(
    planned: Sequence[PlannedSet],
    chain: Sequence[Candidate],
    seed: int,
    data: str | None,
    store: Store,
    say: Progress,
    prompts: str | None = None,
) -> Path:
    """The folder of the last planned set; it and those that it is made from are made where the store lacks them.

    ``data`` is what the recipe's own ``data:`` names; ``prompts`` the file ``evaluate.prompts``, which is held out too.
    """
    source = chain[0].source
    for one in planned:
        teacher = None if one.teacher is None else chain[one.teacher]

        def work(out: Path, one: PlannedSet = one, teacher: Candidate | None = teacher) -> dict[str, Any]:
            context = Context(
                source=source,
                seed=seed,
                side=_side(source),
                score=_scorer(source) if one.config.needs_scorer else None,
                draw=None if teacher is None else _drawing(teacher, store),
                held_out=_held_out(data, source, prompts),
                data=data,
            )
            inputs = {name: store.folder(key) for name, key in one.inputs.items()}
            start = time.monotonic()
            manifest = build(one.config, inputs, context, out, say)
            keep(out, [out / row["file"] for row in rows(str(out), source)], source, say)
            return {**manifest, "seconds": time.monotonic() - start}

        store.compute(one.key, work)
    return store.folder(planned[-1].key)


def manifests(plan: Sequence[PlannedStep], store: Store) -> dict[str, dict[str, Any]]:
    """What every data set of a plan says of itself, by name; one that a shipped result was made with isn't here."""
    sets = {one.config.name: store.get(one.key) for planned in plan for one in planned.sets}
    return {name: manifest for name, manifest in sets.items() if manifest is not None}


def _held_out(data: str | None, source: Path, prompts: str | None) -> frozenset[str]:
    """Held-out captions, if there are pictures at all, and the prompts of ``evaluate.prompts``."""
    found = set(captions(data, source, "held_out")) if is_there(data, source) else set()
    if prompts is not None:
        found |= {line.strip() for _, line in numbered(Path(prompts))}
    return frozenset(found)


def _side(source: Path) -> int:
    """Side of the model's pictures in pixels."""
    unet, vae = (json.loads((source / name / "config.json").read_text()) for name in ("unet", "vae"))
    side = unet["sample_size"]
    return (side if isinstance(side, int) else max(side)) * 2 ** (len(vae["block_out_channels"]) - 1)


def _scorer(source: Path) -> Any:
    """``score(pictures, captions)`` by the model's scorer; None where it brings none."""
    from workbench.models.scorer import load_scorer

    scorer = load_scorer(source)
    return scorer.agreement if scorer else None


def _drawing(teacher: Candidate, store: Store) -> Draw:
    """Draws with the teacher's networks, which are loaded when the first batch is asked for."""
    from workbench.evaluate.sampler import Networks, draw
    from workbench.export.store import stored_export

    @cache
    def networks() -> Networks:
        return Networks.load({name: stored_export(teacher, name, store) for name in COMPONENTS}, teacher.source)

    return lambda prompts, steps, guidance_scale, seed: draw(networks(), prompts, steps, guidance_scale, seed)[0]
