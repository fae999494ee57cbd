"""What a run was expected to take and what it took, stage by stage, beside the results that it made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from workbench.forecast.before import remember
from workbench.models.candidate import Candidate
from workbench.progress import Tick
from workbench.recipe.forecast import Forecast, Row
from workbench.recipe.stages import Stage
from workbench.store.store import Store
from workbench.store.taken import keep, read

HUNDRED = 100
Beside = Mapping[str, Any]
"""``stage``, ``name``; ``forecast_s`` and ``took_s`` with their ``ratio``, truth by forecast; the same of memory; and
the forecast's ``source``."""


@dataclass
class Ledger:
    """Takes note of every stage when it is finished, so that later forecasts know of it even if the run is killed."""

    forecast: Forecast
    store: Store
    tick: Tick = lambda _done: None
    """Told how many hundredths of what the run was expected to take are done."""
    _keys: dict[tuple[str, str], tuple[str, Sequence[str]]] = field(default_factory=dict)
    _owners: dict[Path, str] = field(default_factory=dict)

    def made(self, candidate: Candidate) -> None:
        """A candidate of the chain is there: components that no earlier one had are its own."""
        for component in candidate.components.values():
            self._owners.setdefault(component.path, candidate.name)

    def exported(self, candidate: Candidate, component: str, file: Path) -> None:
        """The file of a component of a candidate is there; what a step is still making is no candidate's yet."""
        if owner := self._owners.get(candidate.components[component].path):
            self.finished("export", f"{owner}/{component}", file.parent.name)

    def finished(self, kind: str, name: str, key: str, also: Sequence[str] = ()) -> None:
        """A stage's result lies in the store under ``key``; its time is that of the results ``also``, too."""
        found = self._stage(kind, name)
        if found is None or (kind, name) in self._keys:
            return
        row, stage = found
        self._keys[kind, name] = key, also
        done = sum(row.seconds for row in self.forecast.rows if (row.stage, row.name) in self._keys)
        self.tick(round(HUNDRED * done / max(self.forecast.seconds, 1e-9)))
        taken = read(self.store.root, key)
        if taken is None or "stage" in taken:
            return
        expected = {"seconds": row.seconds, "memory_bytes": row.memory_bytes, "source": row.source}
        keep(self.store.root, key, {"expected": expected, "also": list(also)})
        remember(self.store, key, kind, stage.identity, stage.cost, self.forecast.machine)

    def _stage(self, kind: str, name: str) -> tuple[Row, Stage] | None:
        pairs = zip(self.forecast.rows, self.forecast.stages, strict=True)
        return next((pair for pair in pairs if (pair[0].stage, pair[0].name) == (kind, name)), None)

    def left(self, candidate: Candidate, component: str) -> float:
        """Seconds that the export of a component is expected to take from now on: none where it is there."""
        stage = "export", f"{candidate.name}/{component}"
        owned = self._owners.get(candidate.components[component].path) == candidate.name
        found = self._stage(*stage) if owned and stage not in self._keys else None
        return found[0].seconds if found else 0.0

    def beside(self) -> list[Beside]:
        """Forecast and truth of all stages whose truth is known, from the run that made each."""
        rows: list[Beside] = []
        for row in self.forecast.rows:
            key, also = self._keys.get((row.stage, row.name), ("", ()))
            taken = read(self.store.root, key) if key else None
            if taken is None or "expected" not in taken:
                continue
            parts = [taken, *(read(self.store.root, other) or {} for other in also)]
            expected, took = taken["expected"], sum(float(part.get("seconds", 0)) for part in parts)
            known = expected["source"] != "stored"
            rows.append(
                {
                    "stage": row.stage,
                    "name": row.name,
                    "forecast_s": expected["seconds"] if known else None,
                    "took_s": took,
                    "cpu_s": sum(float(part.get("cpu_seconds", 0)) for part in parts),
                    "ratio": took / expected["seconds"] if known and expected["seconds"] > 0 else None,
                    "forecast_bytes": expected["memory_bytes"] if known else None,
                    "peak_bytes": taken["peak_bytes"],
                    "source": expected["source"],
                    "resumed": bool(taken["resumed"]),
                }
            )
        return rows
