"""Any JSON that a step or a machine says of itself, in plain words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from workbench.report.format import (
    MISSING,
    big,
    change,
    known,
    megabytes,
    milliseconds,
    number,
    percent,
    seconds,
    whole,
)


def plain(key: str) -> str:
    """A key as words."""
    text = str(key).replace("_", " ").replace("macs", "MACs").replace("sha256", "SHA-256")
    return text[: -len(" bytes")] if text.endswith(" bytes") else text


def by_key(value: Any, key: str = "") -> str:
    """A value in a step's report or in the environment as text; its unit follows from the name of its key.

    What lies inside a mapping has the unit of the mapping's own key, if that tells one; a count ``n`` never has any.
    """
    if value is None:
        return MISSING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        if set(value) == {"before", "after"} and all(known(v) for v in value.values()):
            moved = change(value["after"] / value["before"] - 1) if value["before"] else ""
            pair = f"{by_key(value['before'], key)} → {by_key(value['after'], key)}"
            return f"{pair} ({moved})" if moved else pair
        return ", ".join(f"{plain(k)}{':' * str(k).isdigit()} {inside(v, k, key)}" for k, v in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(by_key(v, key) for v in value) or MISSING
    if not known(value):
        return str(value)
    shown = _unit(key)
    if shown is not None:
        return shown(value)
    return whole(value) if value == int(value) and abs(value) < 1e15 else number(value)


def inside(value: Any, key: str, parent: str) -> str:
    """A value of a mapping whose own key is ``parent``."""
    return by_key(value, parent if _unit(parent) and key != "n" else key)


def _unit(key: str) -> Callable[[Any], str] | None:
    return next((shown for endings, shown in _UNITS if any(key == e or key.endswith(f"_{e}") for e in endings)), None)


_UNITS: tuple[tuple[tuple[str, ...], Callable[[Any], str]], ...] = (
    (("ms",), milliseconds),
    (("s", "seconds"), seconds),
    (("bytes",), megabytes),
    (("share",), percent),
    (("db",), lambda v: f"{number(v)} dB"),
    (("macs", "macs_with_attention", "macs_attention", "params", "parameters", "weights"), big),
)
