"""``--set a.b=c``: a value put over the recipe's, before it is validated."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from workbench.errors import InputError, did_you_mean
from workbench.recipe.yaml_lines import DEPTH, Place, cut, dotted, parse


def apply_override(data: dict[str, Any], override: str, known: Iterable[str], kinds: Iterable[str]) -> Place:
    """Puts the override's value into ``data`` (in place) and returns where it, or the mapping made for it, went.

    Args:
        override: ``evaluate.pictures=8``; ``distill.steps=20`` for the step of that kind; ``steps.1.distill.steps=20``.
        known: keys of a recipe's top level.
        kinds: names of the steps.

    Raises:
        InputError: no such place; the message starts with ``--set`` and the override.
    """
    path, equals, raw = override.partition("=")
    path = path.strip()
    if not equals or not path or not all(path.split(".")):
        raise _bad(override, "", "needs KEY=VALUE, such as evaluate.pictures=8")
    try:
        value = parse(raw, "value")
    except InputError as error:
        raise _bad(override, "", error.message.partition(": ")[2]) from None
    place = _place(data, override, path, set(known), set(kinds))
    return _put(data, override, place, value)


def _bad(override: str, key: str, what: str) -> InputError:
    return InputError(f"--set {cut(override)}: {cut(key) + ': ' if key else ''}{what}")


def _place(data: dict[str, Any], override: str, path: str, known: set[str], kinds: set[str]) -> Place:
    """The path from the top; a step's kind in first place stands for the one step of that kind."""
    parts: list[str | int] = [int(part) if part.isdecimal() and len(part) < 10 else part for part in path.split(".")]
    if len(parts) > DEPTH:
        raise _bad(override, "", f"nested more than {DEPTH} levels deep")
    first = parts[0]
    if first in known:
        return tuple(parts)
    if first not in kinds:
        meant = did_you_mean(str(first), known | kinds, after="".join(path.partition(".")[1:]))
        raise _bad(
            override, str(first), f"unknown key; a recipe has {', '.join(sorted(known))} and its steps' names{meant}"
        )
    steps = data.get("steps")
    steps = steps if isinstance(steps, list) else []
    having = [i for i, entry in enumerate(steps) if isinstance(entry, dict) and first in entry]
    if not having:
        present = [str(kind) for entry in steps if isinstance(entry, dict) for kind in entry]
        raise _bad(override, str(first), f"the recipe has no such step; it has {', '.join(present) or 'none'}")
    if len(having) > 1:
        ways = " or ".join(f"--set steps.{i}.{path}=…" for i in having)
        raise _bad(override, str(first), f"the recipe has {len(having)} such steps; say which: {ways}")
    return ("steps", having[0], *parts)


def _put(data: dict[str, Any], override: str, place: Place, value: Any) -> Place:
    """Walks to ``place``, making the mappings that aren't there; returns the topmost thing that changed."""
    spot: Any = data
    touched = place
    for depth, part in enumerate(place):
        key = _key(spot, part, override, place[:depth])
        if depth == len(place) - 1:
            spot[key] = value
            break
        nested = spot[key] if isinstance(spot, list) else spot.get(key)
        if nested is None:
            nested = spot[key] = {}
            touched = min(touched, place[: depth + 1], key=len)
        spot = nested
    return touched


def _key(spot: Any, part: str | int, override: str, here: Place) -> Any:
    """``part`` as the key or position that it is in ``spot``."""
    if isinstance(spot, dict):
        return str(part)
    if not isinstance(spot, list):
        raise _bad(override, dotted(here), f"holds {cut(repr(spot))}, nothing can be set inside it")
    if not isinstance(part, int) or part >= len(spot):
        numbers = f"has 0 to {len(spot) - 1}" if spot else "is empty"
        raise _bad(override, dotted(here), f"found {cut(repr(part))} as a position in the list; it {numbers}")
    return part
