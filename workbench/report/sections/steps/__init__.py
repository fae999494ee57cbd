"""What each step says of itself: facts and tables, whatever is in its report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from workbench.models.families import component_label
from workbench.report.data import CandidateData, RunData
from workbench.report.format import join, known, seconds
from workbench.report.plain import by_key, inside, plain
from workbench.report.ranking.rank import Ranking
from workbench.report.sections.registry import Section, sections


@dataclass(frozen=True)
class Table:
    """``rows``: per cell its text and whether that is a number."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[tuple[str, bool]]]


@dataclass(frozen=True)
class Group:
    """A report, or the part of it that is of one component; ``title`` is empty for the report's own part."""

    title: str
    facts: Sequence[tuple[str, str]]
    tables: Sequence[Table]


@dataclass(frozen=True)
class Step:
    """What made a candidate; ``took`` is its time."""

    candidate: CandidateData
    took: str
    groups: Sequence[Group]


def gather(run: RunData, ranking: Ranking) -> list[Step]:
    """Every step in the order of the chain, without what other sections draw."""
    drawn = {key for section in sections() for key in section.draws}
    return [Step(c, seconds(run.timings.get(c.name)), groups(c.report, drawn)) for c in run.candidates[1:]]


def groups(report: Mapping[str, Any], drawn: Collection[str] = ()) -> list[Group]:
    """A step's own part first, then one for each component and its training, where these are reports of their own.

    Keys in ``drawn`` are left out.
    """
    inner = dict(report.get("components") or {}) if isinstance(report.get("components"), Mapping) else {}
    if isinstance(report.get("training"), Mapping):
        inner["training"] = report["training"]
    nested = {name: part for name, part in inner.items() if isinstance(part, Mapping)}
    own = {key: value for key, value in report.items() if not (nested and key in ("components", "training"))}
    parts = {"": own} | {plain(component_label(name)): part for name, part in nested.items()}
    shown = [_group(title, {k: v for k, v in part.items() if k not in drawn}) for title, part in parts.items()]
    return [group for group in shown if group.facts or group.tables]


def _group(title: str, report: Mapping[str, Any]) -> Group:
    """A list of mappings is a table with a row each; two or more mappings with the same keys are a table's columns."""
    facts: list[tuple[str, str]] = []
    tables: list[Table] = []
    shapes = Counter(tuple(value) for value in report.values() if isinstance(value, Mapping) and len(value) > 2)
    for keys, times in shapes.items():
        if times > 1:
            alike = {k: v for k, v in report.items() if isinstance(v, Mapping) and tuple(v) == keys}
            tables.append(_side_by_side(alike))
    for key, value in report.items():
        rows = _as_rows(value)
        if rows:
            columns = list(dict.fromkeys(k for row in rows for k in row))
            cells = [[(by_key(row.get(c), c), known(row.get(c))) for c in columns] for row in rows]
            tables.append(Table(plain(key), [plain(c) for c in columns], cells))
        elif value not in (None, [], {}, "") and not (isinstance(value, Mapping) and shapes[tuple(value)] > 1):
            facts.append((plain(key), by_key(value, key)))
    return Group(title, facts, tables)


def _side_by_side(alike: Mapping[str, Mapping[str, Any]]) -> Table:
    names = [plain(name) for name in alike]
    keys = list(next(iter(alike.values())))
    rows = [[(plain(k), False), *((inside(v[k], k, name), known(v[k])) for name, v in alike.items())] for k in keys]
    return Table(join(names), ["", *names], rows)


def _as_rows(value: Any) -> Sequence[Mapping[str, Any]]:
    return value if isinstance(value, list) and value and all(isinstance(v, Mapping) for v in value) else []


SECTION = Section(__name__, "What each step did", 150, gather, link="Steps")
