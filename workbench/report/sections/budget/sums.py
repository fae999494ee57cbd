"""What each component adds to the time of one picture, as a row per candidate and target: EdgeFusion's Table 7."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from workbench.models.families import component_label
from workbench.models.families.base import PASSES, TIMESTEPS
from workbench.profile.summary import Latency, Summary
from workbench.report.data import RunData, kind_of
from workbench.report.format import MISSING, change, join, known, milliseconds, number, percent, whole
from workbench.report.per_picture import STEPS, calls_of, repeats_of

ABSENT = "missing"
TOLERANCE = 0.01
"""The sum of the parts and the pipeline's own median may differ by this share before both are shown."""


WORDS = {
    TIMESTEPS: ("timesteps", "timestep"),
    STEPS: ("steps", "step"),
    PASSES: ("guidance passes", "guidance pass"),
}
"""What a component's passes are multiplied by, as words for several and for one."""


@dataclass(frozen=True)
class Column:
    """One component: as readers know it, and what its call is multiplied by."""

    name: str
    label: str
    repeats: tuple[str, ...]

    @property
    def product(self) -> str:
        """``timesteps × guidance passes × one call``."""
        return " × ".join((*(WORDS[by][0] for by in self.repeats), "one call"))

    @property
    def runs(self) -> str:
        """``the U-Net once per timestep and guidance pass``."""
        per = join([WORDS[by][1] for by in self.repeats])
        return f"the {self.label} once{f' per {per}' if per else ''}"


@dataclass(frozen=True)
class Row:
    """One candidate on one target, as words; times in ms.

    ``parts`` are those of the table's columns, ``total`` is their sum, ``spread`` that of the pipeline's latency,
    ``share`` that of the last part, ``faster`` how many times the sum goes into that of ``than``, the first candidate
    on the target. ``note``: why there is no sum, or what the profile says instead.
    """

    candidate: str
    target: str
    kind: str
    parts: Sequence[str]
    total: str
    spread: str
    share: str
    faster: str
    than: str
    note: str


@dataclass(frozen=True)
class Table:
    """A column for every component of any profile, and a row for every profile."""

    columns: Sequence[Column]
    rows: Sequence[Row]

    @property
    def products(self) -> str:
        """What the columns hold, in words."""
        return join([f"{column.label} ({column.product})" for column in self.columns])

    @property
    def runs(self) -> str:
        """How often each component runs for a picture, in words."""
        return ", ".join(column.runs for column in self.columns)


def table(run: RunData) -> Table:
    """Target by target, the candidates in the run's order."""
    columns, rows = _columns(run), []
    for target in run.targets:
        first: tuple[str, float | None] | None = None
        for candidate in run.candidates:
            profile = run.profiles.get((target, candidate.name))
            if not profile:
                continue
            total = _total(columns, profile)
            first = first or (candidate.name, total)
            rows.append(_row(columns, candidate.name, target, profile, total, first))
    return Table(columns, rows)


def _columns(run: RunData) -> list[Column]:
    """As the formulas order them; components of profiles without one come last."""
    repeated: dict[str, tuple[str, ...]] = {}
    for profile in run.profiles.values():
        repeated |= repeats_of(profile)
    names = [*repeated, *(name for profile in run.profiles.values() for name in profile.get("components") or {})]
    return [Column(name, component_label(name), repeated.get(name, ())) for name in dict.fromkeys(names)]


def _row(
    columns: Sequence[Column],
    name: str,
    target: str,
    profile: Summary,
    total: float | None,
    first: tuple[str, float | None],
) -> Row:
    calls, medians = calls_of(profile), _medians(columns, profile)
    last = medians[columns[-1].name] if columns else None
    latency = (profile.get("pipeline") or {}).get("latency_ms") or {}
    faster = first[1] / total if total and first[1] is not None else None
    return Row(
        candidate=name,
        target=target,
        kind=kind_of(profile),
        parts=[_product(calls.get(column.name), medians[column.name]) for column in columns],
        total=number(total),
        spread=_spread(latency) if total is not None else "",
        share=percent(math.prod(calls[columns[-1].name]) * last / total) if total and last is not None else MISSING,
        faster=f"{number(faster)}×" if faster is not None else MISSING,
        than=first[0] if faster is not None and name != first[0] else "",
        note=_note(columns, profile, total),
    )


def _medians(columns: Sequence[Column], profile: Summary) -> dict[str, float | None]:
    """Median ms of one call of each component; None where it wasn't measured."""
    components = profile.get("components") or {}
    names = [column.name for column in columns]
    medians = {name: ((components.get(name) or {}).get("latency_ms") or {}).get("median") for name in names}
    return {name: median if known(median) else None for name, median in medians.items()}


def _total(columns: Sequence[Column], profile: Summary) -> float | None:
    """Time of one picture in ms, the sum of the parts; None where a part or its number of calls isn't known."""
    calls, total = calls_of(profile), 0.0
    for name, median in _medians(columns, profile).items():
        if median is None or name not in calls:
            return None
        total += math.prod(calls[name]) * median
    return total


def _product(factors: tuple[int, ...] | None, median: float | None) -> str:
    """``10 × 2 × 15.5 = 310``."""
    if median is None:
        return ABSENT
    if factors is None:
        return f"{number(median)} a call"
    if not factors:
        return number(median)
    return f"{' × '.join(map(str, factors))} × {number(median)} = {number(math.prod(factors) * median)}"


def _spread(latency: Latency) -> str:
    parts = [f"IQR {number(latency['iqr'])}"] if known(latency.get("iqr")) else []
    parts += [f"n = {whole(latency['n'])}"] if known(latency.get("n")) else []
    return " · ".join(parts)


def _note(columns: Sequence[Column], profile: Summary, total: float | None) -> str:
    """Why there is no sum; and what the profile says of the whole pipeline where that is something else."""
    told = ((profile.get("pipeline") or {}).get("latency_ms") or {}).get("median")
    absent = [component_label(name) for name, median in _medians(columns, profile).items() if median is None]
    notes = []
    if absent:
        notes.append(f"no sum: {join(absent)} {ABSENT}")
    elif total is None:
        notes.append("no sum: the profile tells no timesteps and guidance passes")
    if known(told) and total is None:
        notes.append(f"the profile's pipeline latency: {milliseconds(told)}")
    elif known(told) and total and abs(told / total - 1) > TOLERANCE:
        notes.append(
            f"the profile's pipeline latency: {milliseconds(told)}, {change(told / total - 1)} against the sum"
        )
    return "; ".join(notes)
