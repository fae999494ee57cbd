"""What can be known of a recipe's data sets before any work: names, references, files, folders, the scorer."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from workbench.data.captioned import rows
from workbench.data.sets import DATA, DEMO, DataSet
from workbench.errors import InputError, did_you_mean

Problem = tuple[tuple[str | int, ...], str]
"""Where in the recipe, and what is wrong there."""
_KEY = "data_sets"
_RESERVED = {DEMO: "the embedded pictures", DATA: "the recipe's own pictures"}


def set_problems(sets: Sequence[DataSet]) -> Iterator[Problem]:
    """What is wrong with the sets whatever the model: names, references, files."""
    names = [data_set.name for data_set in sets]
    for i, data_set in enumerate(sets):
        if data_set.name in _RESERVED:
            own = _RESERVED[data_set.name]
            yield (_KEY, i, "name"), f"found {data_set.name!r}, the name of {own}; needs another name"
        elif data_set.name in names[:i]:
            first = names.index(data_set.name)
            yield (_KEY, i, "name"), f"found {data_set.name!r}, the name of {_KEY}.{first}; needs another name"
        for place, name in data_set.references().items():
            what = _reference(sets, names, i, name, or_folder=place == ("from",))
            if what:
                yield (_KEY, i, *place), what
        for other, name in enumerate(data_set.join or []):
            if name in (data_set.join or [])[:other]:
                yield (_KEY, i, "join", other), f"found {name!r} twice; needs each set once"
        for place, file in data_set.files().items():
            if not file.is_file():
                yield (_KEY, i, *place), f"found {str(file)!r}, no such file ({file.absolute()})"
            elif not os.access(file, os.R_OK):
                yield (_KEY, i, *place), f"found {str(file)!r}, which can't be read (no permission)"


def source_problems(
    sets: Sequence[DataSet], source: Path, has_scorer: bool, data: str | None = None
) -> Iterator[Problem]:
    """What is wrong with the sets for the model in ``source``: folders without captions, a scorer that isn't there.

    ``data``: what the recipe's own ``data:`` names. Its problems are reported there, not at each set that uses it.
    """
    names = [data_set.name for data_set in sets]
    for i, data_set in enumerate(sets):
        asked = data_set.from_
        if asked is not None and asked not in names and (asked in _RESERVED or Path(asked).is_dir()):
            try:
                rows(data if asked == DATA else asked, source)
            except InputError as error:
                hint = f"; {error.hint}" if error.hint else ""
                place: tuple[str | int, ...] = ("data",) if asked == DATA else (_KEY, i, "from")
                yield place, error.message.removeprefix("data: ") + hint
        if not has_scorer:
            lacks = "needs a scorer, and this model brings none"
            if data_set.crop == "best_of_3":
                yield (_KEY, i, "crop"), f"best_of_3 {lacks}; use crop: centre, or drop the key"
            if data_set.curate is not None:
                yield (_KEY, i, "curate"), f"{lacks}; drop the key"


def _reference(sets: Sequence[DataSet], names: list[str], i: int, asked: str, or_folder: bool) -> str | None:
    """What is wrong with ``asked`` as a reference of set ``i``."""
    if asked in names[:i] or (or_folder and asked in _RESERVED):
        return None
    if asked in names:
        loop = _loop(sets, names, i)
        if loop:
            return f"found {asked!r}, which goes round in a circle: {' → '.join(loop)}; needs an earlier set"
        return f"found {asked!r}, a set that comes later ({_KEY}.{names.index(asked)}); move it before this one"
    if or_folder and Path(asked).is_dir():
        return None
    there = [*names[:i], *(_RESERVED if or_folder else ())]
    meant = did_you_mean(asked, there)
    needs = ", ".join(there) if there else "an earlier set, and this is the first"
    if or_folder:
        return f"found {asked!r}, no such set and no such folder ({Path(asked).absolute()}); has {needs}{meant}"
    return f"found {asked!r}, no such set; needs {needs}{meant}"


def _loop(sets: Sequence[DataSet], names: list[str], start: int) -> list[str] | None:
    """The way from a set back to itself, if there is one."""
    ways = [[start]]
    seen = {start}
    while ways:
        way = ways.pop(0)
        for asked in sets[way[-1]].references().values():
            if asked not in names:
                continue
            following = names.index(asked)
            if following == start:
                return [names[k] for k in [*way, start]]
            if following not in seen:
                seen.add(following)
                ways.append([*way, following])
    return None
