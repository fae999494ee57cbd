"""Reading a recipe: YAML with lines, overrides on top, and every error with file, line and key."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from workbench.errors import InputError, nearest
from workbench.recipe.explain import explain, show
from workbench.recipe.overrides import apply_override
from workbench.recipe.schema import Recipe, StepEntry
from workbench.recipe.yaml_lines import Place, dotted, parse

_LARGEST = 1_000_000  # bytes; a recipe is written by hand

Mark = int | str
"""Where a value came from: a line of the file, or the override."""


@dataclass(frozen=True)
class Loaded:
    """A valid recipe with the text it was read from and the origin of each of its keys."""

    recipe: Recipe
    path: Path
    text: str
    overrides: tuple[str, ...]
    marks: Mapping[Place, Mark]

    def where(self, place: Place = ()) -> str:
        """``FILE:LINE: steps.1.distill.teacher``, or ``--set …: KEY`` where an override put the value there."""
        return _where(self.path, self.marks, place)


def load_recipe(path: Path, overrides: Sequence[str] = ()) -> Loaded:
    """Reads, overrides and validates a recipe.

    Args:
        overrides: ``KEY=VALUE``, as ``--set`` takes them; later ones win.

    Raises:
        InputError: the file or an override can't be used; all errors of the schema are in the one message.
    """
    text = _read(path)
    lines: dict[Place, int] = {}
    data = parse(text, str(path), lines)
    if not isinstance(data, dict):
        content = "an empty file" if data is None else show(data)
        raise InputError(f"{path}:1: found {content}; needs a mapping that starts with version: 1 and name: …")
    marks: dict[Place, Mark] = dict(lines)
    for override in overrides:
        touched = apply_override(data, override, Recipe.model_fields, StepEntry.model_fields)
        for place in [p for p in marks if p[: len(touched)] == touched]:
            del marks[place]
        marks[touched] = override
    _fill_bare_steps(data)
    try:
        # As JSON, since that is what YAML's plain data is: no coercion, but lists may fill tuples.
        recipe = Recipe.model_validate_json(json.dumps(data))
    except ValidationError as error:
        problems = explain(error.errors(), data, Recipe)
        in_order = sorted(problems, key=lambda place: _line(_origin(marks, place)))
        raise InputError("\n".join(f"{_where(path, marks, place)}: {problems[place]}" for place in in_order)) from None
    return Loaded(recipe, path, text, tuple(overrides), marks)


def _fill_bare_steps(data: dict[str, Any]) -> None:
    """``- distill:`` with nothing under it is that step with its defaults."""
    steps = data.get("steps")
    for entry in steps if isinstance(steps, list) else ():
        if isinstance(entry, dict) and len(entry) == 1 and None in entry.values():
            entry.update({kind: {} for kind in entry})


def _origin(marks: Mapping[Place, Mark], place: Place) -> Mark:
    """The mark of the nearest thing that is there: of the key, or of what should hold it."""
    return next((marks[place[:n]] for n in range(len(place), 0, -1) if place[:n] in marks), 1)


def _line(mark: Mark) -> int:
    return mark if isinstance(mark, int) else 0


def _where(path: Path, marks: Mapping[Place, Mark], place: Place) -> str:
    mark = _origin(marks, place)
    origin = f"{path}:{mark}" if isinstance(mark, int) else f"--set {mark}"
    return f"{origin}: {dotted(place)}" if place else str(path)


def _read(path: Path) -> str:
    try:
        if path.stat().st_size > _LARGEST:
            raise InputError(f"{path}: found {path.stat().st_size} bytes; a recipe has at most {_LARGEST}")
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InputError(f"{path}: no such file{_meant(path)}") from None
    except IsADirectoryError:
        raise InputError(f"{path}: found a folder; needs a recipe file (YAML)") from None
    except OSError as error:
        raise InputError(f"{path}: can't be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: found bytes that aren't UTF-8; needs a recipe file (YAML)") from None


def _meant(path: Path) -> str:
    beside = {f.name: f for folder in (path.parent, Path("recipes")) if folder.is_dir() for f in folder.glob("*.y*ml")}
    near = nearest(path.name, beside) or nearest(f"{path.name}.yaml", beside)
    return f"; did you mean {beside[near]}?" if near else ""
