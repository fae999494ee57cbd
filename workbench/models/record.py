"""Which candidates a run made and where they lie, so that other verbs can take them by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from workbench.errors import InputError
from workbench.models.candidate import Candidate
from workbench.store.files import write_atomic
from workbench.store.store import Store

VERSION = 2
AGAIN = "run its recipe again: workbench run RECIPE.yaml"


@dataclass(frozen=True)
class Record:
    """The file: candidates in order; paths inside the store are relative to it, so it may be moved."""

    version: int
    candidates: Sequence[Candidate]


def write_record(store: Store, name: str, candidates: Sequence[Candidate]) -> None:
    """Notes the candidates of run ``name`` in the store; the latest run of a name stands."""
    from pydantic import TypeAdapter

    def relative(path: Path) -> Path:
        absolute = path.absolute()
        return absolute.relative_to(store.root) if absolute.is_relative_to(store.root) else absolute

    folder = store.root / "runs"
    folder.mkdir(parents=True, exist_ok=True)
    record = Record(VERSION, [_moved(candidate, relative) for candidate in candidates])
    write_atomic(folder / f"{name}.json", TypeAdapter(Record).dump_json(record, indent=1))


def runs(store: Store) -> list[str]:
    """Names of the runs that the store knows, in order."""
    return sorted(file.stem for file in (store.root / "runs").glob("*.json"))


def read_record(store: Store, name: str) -> list[Candidate]:
    """The candidates of run ``name``, the untouched model first.

    Raises:
        InputError: the store has no such run, or its record is of another version or broken.
    """
    from pydantic import TypeAdapter

    file = store.root / "runs" / f"{name}.json"
    if name not in runs(store):
        raise InputError(f"{store.root}: has no run {name!r}", hint=f"it has: {', '.join(runs(store)) or 'none'}")
    try:
        record = TypeAdapter(Record).validate_json(file.read_bytes())
    except ValueError as error:
        raise InputError(f"{file}: not a run's record ({' '.join(str(error).split())[:200]})", hint=AGAIN) from None
    if record.version != VERSION:
        raise InputError(f"{file}: found version {record.version}; needs {VERSION}", hint=AGAIN)
    return [_moved(candidate, store.root.joinpath) for candidate in record.candidates]


def _moved(candidate: Candidate, where: Callable[[Path], Path]) -> Candidate:
    return replace(
        candidate,
        source=where(candidate.source),
        components={n: replace(c, path=where(c.path)) for n, c in candidate.components.items()},
        configs={name: where(folder) for name, folder in candidate.configs.items()},
    )
