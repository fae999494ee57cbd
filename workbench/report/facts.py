"""What a step or a machine says of itself (any JSON) as facts and tables in plain words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from workbench.report.words import MISSING, big, change, known, megabytes, milliseconds, number, percent, seconds, whole


def report_parts(report: Mapping[str, Any]) -> dict[str, Any]:
    """A step's report split into single facts and tables (lists of rows), whatever the step is."""
    facts: list[tuple[str, str]] = []
    tables: list[dict[str, Any]] = []
    for key, value in report.items():
        rows = _as_rows(value)
        if rows:
            columns = list(dict.fromkeys(k for row in rows for k in row))
            cells = [[(by_key(row.get(c), c), known(row.get(c))) for c in columns] for row in rows]
            tables.append({"title": plain(key), "columns": [plain(c) for c in columns], "rows": cells})
        elif isinstance(value, Mapping) and len(value) > 3 and set(value) != {"before", "after"}:
            tables.append(
                {"title": plain(key), "columns": ["", "value"]}
                | {"rows": [[(plain(k), False), (by_key(v, k), known(v))] for k, v in value.items()]}
            )
        elif value not in (None, [], {}, ""):
            facts.append((plain(key), by_key(value, key)))
    return {"facts": facts, "tables": tables}


def _as_rows(value: Any) -> Sequence[Mapping[str, Any]]:
    return value if isinstance(value, list) and value and all(isinstance(v, Mapping) for v in value) else []


def plain(key: str) -> str:
    """A key as words."""
    text = str(key).replace("_", " ").replace("macs", "MACs").replace("sha256", "SHA-256")
    return text[: -len(" bytes")] if text.endswith(" bytes") else text


def by_key(value: Any, key: str = "") -> str:
    """A value in a step's report or in the environment as text; the unit follows from the name of its key."""
    if value is None:
        return MISSING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        if set(value) == {"before", "after"} and all(known(v) for v in value.values()):
            moved = change(value["after"] / value["before"] - 1) if value["before"] else ""
            pair = f"{by_key(value['before'], key)} → {by_key(value['after'], key)}"
            return f"{pair} ({moved})" if moved else pair
        return ", ".join(f"{k}: {by_key(v, k)}" for k, v in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(by_key(v, key) for v in value) or MISSING
    if not known(value):
        return str(value)
    for endings, shown in _UNITS:
        if any(key == e.strip("_") or key.endswith(e) for e in endings):
            return shown(value)
    return whole(value) if value == int(value) and abs(value) < 1e15 else number(value)


_UNITS = (
    (("_ms",), milliseconds),
    (("_s", "_seconds"), seconds),
    (("_bytes",), megabytes),
    (("_share",), percent),
    (("_db",), lambda v: f"{number(v)} dB"),
    (("_macs", "macs_with_attention", "macs_attention", "_params", "parameters"), big),
)
