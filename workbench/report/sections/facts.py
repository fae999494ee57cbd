"""What a step or a machine says of itself (any JSON) as facts and tables in plain words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from workbench.report.format import (
    COMPONENTS,
    MISSING,
    big,
    change,
    join,
    known,
    megabytes,
    milliseconds,
    number,
    percent,
    seconds,
    whole,
)

DRAWN = ("curve", "block_search")
"""Keys of a step's report that other sections draw: as text they would be long lists of numbers."""


def report_groups(report: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A step's report as ``report_parts`` with a ``title`` each: its own part first, then one for each component.

    ``components`` and ``training`` are mappings that hold a report of their own.
    """
    inner = dict(report.get("components") or {}) if isinstance(report.get("components"), Mapping) else {}
    if isinstance(report.get("training"), Mapping):
        inner["training"] = report["training"]
    nested = {name: part for name, part in inner.items() if isinstance(part, Mapping)}
    own = {key: value for key, value in report.items() if not (nested and key in ("components", "training"))}
    groups = [{"title": "", **report_parts(own)}]
    groups += [{"title": COMPONENTS.get(name, plain(name)), **report_parts(part)} for name, part in nested.items()]
    return [group for group in groups if group["facts"] or group["tables"]]


def report_parts(report: Mapping[str, Any]) -> dict[str, Any]:
    """A report split into single facts and tables, whatever it is of.

    A list of mappings is a table with a row each; two or more mappings with the same keys are the columns of a table.
    """
    report = {key: value for key, value in report.items() if key not in DRAWN}
    facts: list[tuple[str, str]] = []
    tables: list[dict[str, Any]] = []
    shapes = Counter(tuple(value) for value in report.values() if isinstance(value, Mapping) and len(value) > 2)
    for keys, times in shapes.items():
        if times > 1:
            tables.append(
                _side_by_side({k: v for k, v in report.items() if isinstance(v, Mapping) and tuple(v) == keys})
            )
    for key, value in report.items():
        rows = _as_rows(value)
        if rows:
            columns = list(dict.fromkeys(k for row in rows for k in row))
            cells = [[(by_key(row.get(c), c), known(row.get(c))) for c in columns] for row in rows]
            tables.append({"title": plain(key), "columns": [plain(c) for c in columns], "rows": cells})
        elif value not in (None, [], {}, "") and not (isinstance(value, Mapping) and shapes[tuple(value)] > 1):
            facts.append((plain(key), by_key(value, key)))
    return {"facts": facts, "tables": tables}


def _side_by_side(group: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    names = [plain(name) for name in group]
    keys = list(next(iter(group.values())))
    rows = [[(plain(k), False), *((inside(v[k], k, name), known(v[k])) for name, v in group.items())] for k in keys]
    return {"title": join(names), "columns": ["", *names], "rows": rows}


def _as_rows(value: Any) -> Sequence[Mapping[str, Any]]:
    return value if isinstance(value, list) and value and all(isinstance(v, Mapping) for v in value) else []


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
