"""Under which key what a run measures on this machine lies in the store, and why nothing does."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from workbench.recipe.schema import Recipe
from workbench.runtimes.base import all_described, code_of, described, run_by
from workbench.store.depends import depends_on
from workbench.store.environment import fingerprint
from workbench.store.files import write_atomic
from workbench.store.store import Store, key_of


def measured_parts(recipe: Recipe, candidates: Sequence[tuple[str, str]], formula: str) -> dict[str, Any]:
    """All that measurements on this machine depend on.

    Args:
        candidates: with their keys, as the report names them.
        formula: what a picture costs, of the family.
    """
    formats = (f"{code_of(runtime.name)}.format" for runtime in all_described() if runtime.format)
    runtimes = recipe.profile.runtimes
    return {
        "stage": "measured",
        **depends_on("workbench.profile.host", "workbench.profile.counts", *map(run_by, runtimes), *formats),
        "candidates": [list(candidate) for candidate in candidates],
        "reads": {name: list(described(name).reads) for name in runtimes},
        "formula": formula,
        "config": recipe.profile.model_dump(mode="json", exclude={"targets", "device"}),
        "host": fingerprint(),
        "seed": recipe.seed,
    }


def note(store: Store, name: str, parts: Mapping[str, Any]) -> None:
    """Keeps what the last measurements of a recipe depended on."""
    write_atomic(_noted(store, name), json.dumps(parts))


def state(store: Store, name: str, parts: Mapping[str, Any]) -> str:
    """Whether what ``parts`` describes was measured; else what has changed since this recipe was measured last."""
    if store.has(key_of(parts)):
        return "stored"
    before: dict[str, Any] = {}
    with suppress(OSError, ValueError):
        before = json.loads(_noted(store, name).read_bytes())
    reasons = list(_changes(before, parts)) if isinstance(before, dict) and before else []
    return f"will be measured{' again: ' if reasons else ''}{'; '.join(reasons)}"


def _changes(before: Mapping[str, Any], current: Mapping[str, Any]) -> Iterator[str]:
    """In words; ``before`` is what a file said."""
    for part, value in current.items():
        old = before.get(part)
        if old == value:
            continue
        if part == "code":
            yield "the code that measures has changed"
        elif part == "candidates" and isinstance(old, list):
            other = [name for name, key in value if [name, key] not in old]
            yield f"candidates are new or changed ({', '.join(other)})" if other else "there were more candidates"
        elif isinstance(value, dict) and isinstance(old, dict):
            pairs = {name: (old.get(name), value.get(name)) for name in {**old, **value}}
            yield from (f"{name} was {was}, is {now}" for name, (was, now) in pairs.items() if was != now)
        else:
            yield f"{part} has changed"


def _noted(store: Store, name: str) -> Path:
    return store.root / "measured" / f"{name}.json"
