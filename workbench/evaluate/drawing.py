"""What draws and what scores pictures of a data set: a candidate, and the model's scorer."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from workbench.data.captioned import captions, is_there
from workbench.data.lines import numbered
from workbench.data.operation import Draw
from workbench.models.candidate import Candidate
from workbench.models.families import family_of
from workbench.store.store import Store


def held_out(data: str | None, source: Path, prompts: str | None) -> frozenset[str]:
    """Held-out captions, if there are pictures at all, and the prompts of ``evaluate.prompts``."""
    prompts_held_out = set(captions(data, source, "held_out")) if is_there(data, source) else set()
    if prompts is not None:
        prompts_held_out |= {line.strip() for _, line in numbered(Path(prompts))}
    return frozenset(prompts_held_out)


def side(source: Path) -> int:
    """Side of the model's pictures in pixels."""
    family = family_of(source)
    return family.side(family.configs(source))


def scorer(source: Path) -> Any:
    """``score(pictures, captions)`` by the model's scorer; None where it brings none."""
    from workbench.models.scorer import load_scorer

    loaded = load_scorer(source)
    return loaded.agreement if loaded else None


def drawing(teacher: Candidate, store: Store) -> Draw:
    """Draws with the teacher's networks, which are loaded when the first batch is asked for."""
    from workbench.evaluate.sampler import Networks, draw
    from workbench.export.stored import stored_export

    @cache
    def networks() -> Networks:
        return Networks.load({name: stored_export(teacher, name, store) for name in teacher.components}, teacher.source)

    return lambda prompts, steps, guidance_scale, seed: draw(networks(), prompts, steps, guidance_scale, seed)[0]
