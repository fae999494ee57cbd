"""What a run of a recipe will take, stage by stage: seconds, peak memory, disk, and how each figure is known."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.forecast.before import Expected, Once, Source, done, expect
from workbench.forecast.cost import Speed
from workbench.forecast.machine import machine, speed
from workbench.forecast.words import duration, gigabytes
from workbench.recipe.schema import Recipe
from workbench.recipe.stages import Stage, stages_of
from workbench.store.store import Store


@dataclass(frozen=True)
class Row:
    """One stage: what is expected of it, and its MACs × passes."""

    stage: str
    name: str
    seconds: float
    memory_bytes: int
    disk_bytes: int
    macs: int
    source: Source
    words: str = ""


@dataclass(frozen=True)
class Forecast:
    """All stages of a run in order. ``stages``: with their costs and identities, in the same order as ``rows``."""

    rows: tuple[Row, ...]
    stages: tuple[Stage, ...]
    of: str
    machine: str

    @property
    def seconds(self) -> float:
        """Of the whole run, but for what is between the stages."""
        return sum(row.seconds for row in self.rows)

    @property
    def disk_bytes(self) -> int:
        """By which the store grows."""
        return sum(row.disk_bytes for row in self.rows)

    @property
    def memory_bytes(self) -> int:
        """At the worst moment."""
        return max((row.memory_bytes for row in self.rows), default=0)


def lines(rows: Sequence[Row], of: str) -> Iterator[str]:
    """For a terminal: a line for each step, one for all stages of the other kinds, and the sum. ``of``: the speed's."""
    left = [row for row in rows if row.source != "stored"]
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in left:
        alone = row.stage not in ("export", "evaluate")
        groups.setdefault((row.stage, row.name if alone else ""), []).append(row)
    for (stage, name), these in groups.items():
        sources = " and ".join(dict.fromkeys(row.source for row in these))
        yield _line(f"{stage} {name}" if name else f"{stage} ({len(these)})", these, sources)
    if left:
        yield _line("in all", left, f"by {of}" if any(row.source == "from MACs" for row in left) else "")


def _line(what: str, rows: Sequence[Row], of: str) -> str:
    took, memory = duration(sum(row.seconds for row in rows)), gigabytes(max(row.memory_bytes for row in rows))
    return f"{what:<26} {took:>9}  {memory:>8}  {of}".rstrip()


def forecast_of(
    recipe: Recipe, folder: Path, configs: Sequence[Mapping[str, Any]], store: Store, keys: Sequence[str] = ()
) -> Forecast:
    """The forecast of a run; for the arguments see ``stages.stages_of``."""
    here, reached = machine(), speed(store)
    before = done(store, here)
    stages = tuple(stages_of(recipe, folder, configs, store, keys))
    rows = tuple(_row(stage, _expected(stage, reached, before, store)) for stage in stages)
    return Forecast(rows, stages, reached.of, here)


def _row(stage: Stage, expected: Expected) -> Row:
    sizes = expected.seconds, expected.memory_bytes, expected.disk_bytes
    return Row(stage.kind, stage.name, *sizes, stage.cost.macs, expected.source, stage.words)


def _expected(stage: Stage, reached: Speed, before: Sequence[Once], store: Store) -> Expected:
    keys = [stage.key] if stage.key else [once.key for once in before if once.identity == stage.identity != ""]
    if any(store.has(key) for key in keys):
        return Expected(0.0, 0, 0, "stored")
    return expect(stage.kind, stage.identity, stage.cost, reached, before)
