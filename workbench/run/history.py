"""A finished run as data: written beside its report, and read back by name without computing anything."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.errors import InputError
from workbench.models.candidate import Candidate
from workbench.models.record import AGAIN, STATE, inside, moved, read_record, runs, states
from workbench.recipe.schema import Recipe
from workbench.store.files import write_atomic
from workbench.store.store import Store

if TYPE_CHECKING:
    from workbench.report.data import CandidateData, RunData
    from workbench.report.ranking.rank import Ranking

FILE = "run.json"
SCHEMA = 1
"""Of ``run.json``; raised when a key changes its name or meaning."""
Exports = Mapping[str, Mapping[str, Path]]
"""The file of every component of every candidate, by candidate and component."""


@dataclass(frozen=True)
class Choice:
    """What the report says to ship. ``chosen`` is None where no candidate is within all constraints."""

    chosen: str | None
    target: str
    reason: str
    quality: str | None
    """The metric on the Pareto front's quality axis; None: nothing was scored."""


@dataclass(frozen=True)
class Finished:
    """A run that came to its report.

    ``scores`` of ``data`` hold prompts, seeds and names of the pictures, which lie in the folders of its ``pictures``.
    """

    name: str
    """``NAME@N``, by which it can be found as long as the store keeps it."""
    date: str
    """When it was finished: ISO 8601, UTC."""
    folder: Path
    """Of the report: the page, its table, and what this was read from."""
    data: RunData
    candidates: Sequence[Candidate]
    """As the report names them; those of few steps at each of their numbers of steps."""
    exports: Exports
    choice: Choice
    needs: Sequence[str]
    """Keys of all results in the store that it read or made."""

    @cached_property
    def ranking(self) -> Ranking:
        """The ranking, made again from the data."""
        from workbench.report.html import ranked

        return ranked(self.data)

    @property
    def page(self) -> Path:
        """The report."""
        return self.folder / f"{self.data.recipe.name}.html"

    def candidate(self, name: str) -> Candidate:
        """One of the candidates, by its name in the report.

        Raises:
            KeyError: there is none of that name.
        """
        return {candidate.name: candidate for candidate in self.candidates}[name]


def shown(candidates: Sequence[Candidate], schemes: Mapping[str, str]) -> list[CandidateData]:
    """The candidates as the report takes them; ``schemes``: of each, which only its model's folder tells."""
    from workbench.report.data import CandidateData

    return [CandidateData(c.name, schemes[c.name], c.lineage, c.report, c.key, c.parent, c.steps) for c in candidates]


def write_run(data: RunData, candidates: Sequence[Candidate], exports: Exports, store: Store, out: Path) -> Choice:
    """Writes ``out/run.json``: all of a run, with what lies in the store by its path there; what it chose.

    Args:
        candidates: as the report names them.
    """
    from pydantic import TypeAdapter

    from workbench.report.html import ranked

    ranking, relative = ranked(data), inside(store)
    choice = Choice(ranking.chosen, ranking.target, ranking.decision, ranking.quality)
    own = [moved(candidate, relative) for candidate in candidates]
    facts = {
        "schema": SCHEMA,
        "choice": asdict(choice),
        "recipe": data.recipe.model_dump(by_alias=True),
        "recipe_text": data.recipe_text,
        "recipe_hash": data.recipe_hash,
        "candidates": TypeAdapter(list[Candidate]).dump_python(own, mode="json"),
        "schemes": {candidate.name: candidate.scheme for candidate in data.candidates},
        "exports": {name: {c: str(relative(file)) for c, file in files.items()} for name, files in exports.items()},
        "scores": data.scores,
        "pictures": {name: str(relative(folder)) for name, folder in data.pictures.items()},
        "profiles": [[*pair, str(relative(file.with_suffix("")))] for pair, file in _tables(data).items()],
        "warnings": data.warnings,
        "environment": data.environment,
        "timings": data.timings,
        "data_sets": data.data_sets,
        "stages": data.stages,
    }
    write_atomic(out / FILE, json.dumps(facts, indent=1))
    return choice


def finished(store: Store, name: str) -> Finished:
    """The finished run ``NAME``, the latest of that name, or ``NAME@N``. Nothing is computed.

    Raises:
        InputError: there is no such run, it never came to its report, it is of another version or damaged, or something
            of it is no longer in the store.
    """
    record = read_record(store, name)
    base = name.partition(STATE)[0]
    if not record.report:
        earlier = states(store, base)
        meant = f"the last that did is {earlier[-1]}; or " if earlier else ""
        raise InputError(f"{name}: its run hasn't come to a report", hint=f"{meant}{AGAIN}")
    if gone := [key for key in record.needs if not store.has(key)]:
        raise InputError(
            f"{name}: is no longer in the store {store.root}: {len(gone)} of its {len(record.needs)} results are gone",
            hint=AGAIN,
        )
    file = store.folder(record.report) / FILE
    try:
        facts = json.loads(file.read_bytes())
        if facts["schema"] != SCHEMA:
            raise InputError(f"{file}: found version {facts['schema']!r}; needs {SCHEMA}", hint=AGAIN)
        return _read(store, f"{base}{STATE}{record.number}", record.date, record.needs, file.parent, facts)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        said = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise InputError(f"{file}: can't be read as a finished run ({said})", hint=AGAIN) from None


def names(store: Store) -> list[str]:
    """All finished runs of the store, ``NAME@N``, those of a name beside each other, the earliest first."""
    return [state for name in runs(store) for state in states(store, name)]


def _read(store: Store, name: str, date: str, needs: Sequence[str], folder: Path, facts: dict[str, Any]) -> Finished:
    from pydantic import TypeAdapter

    from workbench.report.data import RunData

    at = store.root.joinpath
    own = TypeAdapter(list[Candidate]).validate_python(facts["candidates"])
    candidates = [moved(candidate, at) for candidate in own]
    profiles = {(target, candidate): at(stem) for target, candidate, stem in facts["profiles"]}
    data = RunData(
        recipe=Recipe.model_validate_json(json.dumps(facts["recipe"])),
        recipe_text=facts["recipe_text"],
        candidates=shown(candidates, facts["schemes"]),
        scores=facts["scores"],
        pictures={name: at(folder) for name, folder in facts["pictures"].items()},
        profiles={pair: json.loads(_with(stem, "json").read_text()) for pair, stem in profiles.items()},
        layers={pair: _with(stem, "csv") for pair, stem in profiles.items()},
        warnings=facts["warnings"],
        environment=facts["environment"],
        timings=facts["timings"],
        recipe_hash=facts["recipe_hash"],
        data_sets=facts["data_sets"],
        stages=facts["stages"],
    )
    exports = {name: {c: at(file) for c, file in files.items()} for name, files in facts["exports"].items()}
    return Finished(name, date, folder, data, candidates, exports, Choice(**facts["choice"]), needs)


def _with(stem: Path, kind: str) -> Path:
    """A profile's file: its name may have dots."""
    return stem.with_name(f"{stem.name}.{kind}")


def _tables(data: RunData) -> dict[tuple[str, str], Path]:
    return {pair: Path(table) for pair, table in data.layers.items() if isinstance(table, Path)}
