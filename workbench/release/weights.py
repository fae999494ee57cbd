"""Where a release's weights come from and under which licence they are, as far as the model's folder says it."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import yaml
from typing_extensions import TypedDict

from workbench.models.intake.locate import DEMO
from workbench.recipe.schema import Recipe

LICENCES = ("LICENSE*", "LICENCE*", "COPYING*", "NOTICE*")
_OWN = "Apache-2.0"
"""Of the embedded model; its card says from which pictures it learned."""
_MOST = 100_000
_HEAD = re.compile(r"\A---\n(.*?)\n---\n", re.S)


class Weights(TypedDict):
    """``origin``: what the recipe names; None for the licence where the model's folder states none.

    ``files``: licence texts that were copied from there.
    """

    origin: str
    licence: str | None
    files: list[str]


def write_weights(recipe: Recipe, source: Path, out: Path) -> Weights:
    """What is known of the weights; licence texts of the model's folder are copied."""
    named = recipe.model if isinstance(recipe.model, str) else recipe.model.path
    files = sorted({file for kind in LICENCES for file in source.glob(kind) if file.is_file()})
    for file in files:
        shutil.copyfile(file, out / file.name)
    embedded = str(named) == DEMO
    origin = f"the embedded model of workbench ({DEMO})" if embedded else _named(str(named))
    return {"origin": origin, "licence": _OWN if embedded else _licence(source), "files": [f.name for f in files]}


def _named(model: str) -> str:
    """A model as others may read of it: a folder by its last name."""
    return Path(model).name if Path(model).is_absolute() else model


def _licence(source: Path) -> str | None:
    """``license:`` at the head of the model's card, as the Hub's cards have it."""
    card = source / "README.md"
    if not card.is_file() or card.stat().st_size > _MOST:
        return None
    head = _HEAD.match(card.read_text(encoding="utf-8", errors="replace"))
    try:
        facts = yaml.safe_load(head[1]) if head else None
    except yaml.YAMLError:
        return None
    stated = facts.get("license") if isinstance(facts, dict) else None
    return stated if isinstance(stated, str) else None
