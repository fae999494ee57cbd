"""Reading a recipe: YAML with lines, overrides on top, and every error with file, line and key."""

from __future__ import annotations

import codecs
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from workbench.errors import InputError, nearest
from workbench.recipe.check_metrics import named_problems
from workbench.recipe.explain import at, grouped, sentence, show
from workbench.recipe.overrides import apply_override
from workbench.recipe.schema import Recipe, StepEntry
from workbench.recipe.shipped import found, names
from workbench.recipe.yaml_lines import Place, cut, dotted, parse
from workbench.store.files import unreadable

_LARGEST = 100_000  # bytes; a recipe is written by hand, and YAML is read at 50 kB/s
_MOST = 20  # problems reported at once

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
        path: a file, or the name of a recipe that comes with the package, whose paths follow the current folder.
        overrides: ``KEY=VALUE``, as ``--set`` takes them; later ones win.

    Raises:
        InputError: the file or an override can't be used; all errors of the schema are in the one message.
    """
    file = found(path)
    folder = path.parent if file == path else Path()
    text = _read(file)
    lines: dict[Place, int] = {}
    data = parse(text, str(path), lines)
    if not isinstance(data, dict):
        content = "an empty file" if data is None else show(data)
        raise InputError(f"{path}:1: found {content}; needs a mapping that starts with version: 1 and name: …")
    marks: dict[Place, Mark] = dict(lines)
    typed: set[Path] = set()
    for override in overrides:
        touched = apply_override(data, override, Recipe.model_fields, StepEntry.model_fields)
        for place in [p for p in marks if p[: len(touched)] == touched]:
            del marks[place]
        marks[touched] = override
        typed |= set(_paths(at(data, touched)))
    _fill_bare_steps(data)
    try:
        # As JSON, since that is what YAML's plain data is: no coercion, but lists may fill tuples.
        recipe = Recipe.model_validate_json(json.dumps(data), context=partial(_placed, folder, typed))
    except ValidationError as error:
        by_place = grouped(error.errors(), data)
        places = sorted(by_place, key=lambda place: _line(_origin(marks, place)))
        messages = (f"{_where(path, marks, p)}: {sentence(p, by_place[p], data, Recipe)}" for p in places)
        raise first_of(messages, len(places), path) from None
    misnamed = [f"{_where(path, marks, place)}: {what}" for place, what in named_problems(recipe)]
    if misnamed:
        raise first_of(misnamed, len(misnamed), path)
    return Loaded(recipe, path, text, tuple(overrides), marks)


def first_of(messages: Iterable[str], count: int, path: Path) -> InputError:
    """The first problems of a recipe in one error, with the number of the others."""
    rest = [f"{path}: and {count - _MOST} more problems"] if count > _MOST else []
    return InputError("\n".join([*islice(messages, _MOST), *rest]))


def _paths(value: Any) -> Iterator[Path]:
    """All texts in plain data, as what they would be as paths."""
    if isinstance(value, str):
        yield Path(value)
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _paths(inner)


def _placed(folder: Path, typed: Set[Path], given: Path) -> Path:
    """A path of a recipe: relative to ``folder``, or to the current one where ``--set`` gave it."""
    path = given
    with suppress(RuntimeError):  # there is no such user
        path = given.expanduser()
    return path if given in typed else folder / path


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
    origin = f"{path}:{mark}" if isinstance(mark, int) else f"--set {cut(mark)}"
    return f"{origin}: {dotted(place)}" if place else str(path)


def _read(path: Path) -> str:
    if not os.path.lexists(path):
        raise InputError(f"{path}: no such file{_meant(path)}")
    if problem := unreadable(path, _LARGEST):
        raise InputError(f"{path}: {problem.removeprefix('which ')} (YAML)")
    content = path.read_bytes()
    try:
        return content.removeprefix(codecs.BOM_UTF8).decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InputError(f"{path}:{line}: found bytes that aren't UTF-8; needs a recipe file (YAML)") from None


def _meant(path: Path) -> str:
    beside = {f.name: f for f in path.parent.glob("*.y*ml")} if path.parent.is_dir() else {}
    near = nearest(path.name, beside) or nearest(f"{path.name}.yaml", beside)
    meant = beside[near] if near else nearest(path.stem, names())
    return f"; did you mean {meant}?" if meant else ""
