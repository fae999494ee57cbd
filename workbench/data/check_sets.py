"""Checks of a recipe's data sets before any work: names, references, files, folders, the scorer."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from workbench.data.captioned import check, rows
from workbench.data.sets import DATA, DEMO, DataSet
from workbench.errors import InputError, did_you_mean
from workbench.store.files import unreadable

Problem = tuple[tuple[str | int, ...], str]
"""A location in the recipe, and what is wrong there."""
_KEY = "data_sets"
_RESERVED = {DEMO: "the embedded pictures", DATA: "the recipe's own pictures"}


def set_problems(sets: Sequence[DataSet]) -> Iterator[Problem]:
    """Problems of the sets that don't depend on the model: names, references, files."""
    names = [data_set.name for data_set in sets]
    for i, data_set in enumerate(sets):
        if data_set.name in _RESERVED:
            meaning = _RESERVED[data_set.name]
            yield (_KEY, i, "name"), f"found {data_set.name!r}, the name of {meaning}; needs another name"
        elif data_set.name in names[:i]:
            first = names.index(data_set.name)
            yield (_KEY, i, "name"), f"found {data_set.name!r}, the name of {_KEY}.{first}; needs another name"
        for location, name in data_set.references().items():
            problem = _reference_problem(sets, names, i, name, or_folder=location == ("from",))
            if problem:
                yield (_KEY, i, *location), problem
        for k, name in enumerate(data_set.join or []):
            if name in (data_set.join or [])[:k]:
                yield (_KEY, i, "join", k), f"found {name!r} twice; needs each set once"
        for location, file in data_set.files().items():
            if problem := unreadable(file):
                yield (_KEY, i, *location), f"found {str(file)!r}, {problem}"


def source_problems(
    sets: Sequence[DataSet], source: Path, has_scorer: bool, data: str | None = None
) -> Iterator[Problem]:
    """Problems of the sets with the model in ``source``: folders without captions, a missing scorer.

    ``data``: the value of the recipe's ``data:``. A problem with it is reported there, not at each set that uses it.
    """
    names = [data_set.name for data_set in sets]
    for i, data_set in enumerate(sets):
        origin = data_set.from_
        if origin is not None and origin not in names and (origin in _RESERVED or os.path.lexists(origin)):
            try:
                rows(data, source) if origin == DATA else check(origin, source)
            except InputError as error:
                location: tuple[str | int, ...] = ("data",) if origin == DATA else (_KEY, i, "from")
                yield location, error.line.removeprefix("data: ")
        if not has_scorer:
            lacks = "needs a scorer, and this model brings none"
            if data_set.crop == "best_of_3":
                yield (_KEY, i, "crop"), f"best_of_3 {lacks}; use crop: centre, or drop the key"
            if data_set.curate is not None:
                yield (_KEY, i, "curate"), f"{lacks}; drop the key"


def _reference_problem(sets: Sequence[DataSet], names: list[str], i: int, name: str, or_folder: bool) -> str | None:
    """What is wrong with ``name`` as a reference of set ``i``; None if nothing is."""
    if name in names[:i] or (or_folder and name in _RESERVED):
        return None
    if name in names:
        loop = _loop(sets, names, i)
        if loop:
            return f"found {name!r}, which goes round in a circle: {' → '.join(loop)}; needs an earlier set"
        return f"found {name!r}, a set that comes later ({_KEY}.{names.index(name)}); move it before this one"
    if or_folder and os.path.lexists(name):
        return None
    allowed = [*names[:i], *(_RESERVED if or_folder else ())]
    suggestion = did_you_mean(name, allowed)
    needs = ", ".join(allowed) if allowed else "an earlier set, and this is the first"
    if or_folder:
        return f"found {name!r}, no such set, folder or file ({Path(name).absolute()}); has {needs}{suggestion}"
    return f"found {name!r}, no such set; needs {needs}{suggestion}"


def _loop(sets: Sequence[DataSet], names: list[str], start: int) -> list[str] | None:
    """The shortest path of references from a set back to itself, if there is one."""
    paths = [[start]]
    seen = {start}
    for path in paths:  # grows during the iteration
        for name in sets[path[-1]].references().values():
            following = names.index(name) if name in names else None
            if following == start:
                return [names[k] for k in [*path, start]]
            if following is not None and following not in seen:
                seen.add(following)
                paths.append([*path, following])
    return None
