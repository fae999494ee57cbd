"""The runs of a store: which candidates each made and where they lie, so that other verbs can take them by name.

``runs/NAME.json`` is the latest run of a recipe's name, ``runs/NAME@2.json`` the second that came to its report.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from workbench.errors import InputError, did_you_mean
from workbench.models.candidate import Candidate, at
from workbench.store.files import write_atomic
from workbench.store.store import Store

VERSION = 3
AGAIN = "run its recipe again: workbench run RECIPE.yaml"
MAKES_ONE = "workbench run RECIPE.yaml makes one"
STATE = "@"
"""Before the number of a finished run; no recipe's name has it."""


@dataclass(frozen=True)
class Record:
    """The file: candidates in order; paths inside the store are relative to it, so it may be moved."""

    version: int
    candidates: Sequence[Candidate]
    number: int = 0
    """Of the last run of this name that came to its report; 0: none did."""
    report: str = ""
    """Key of the report that this run came to; empty where it isn't finished."""
    date: str = ""
    """When it did: ISO 8601, UTC."""
    chosen: str | None = None
    """The candidate that its report says to ship, if it says any."""
    needs: Sequence[str] = ()
    """Keys of all results that it read or made."""


def write_record(store: Store, name: str, candidates: Sequence[Candidate]) -> None:
    """Notes that a run of ``name`` has these candidates; a finished one with the same ones stays finished."""
    before, candidates = readable(store, name), _absolute(candidates)
    if before is None or before.candidates != candidates:
        _write(store, name, Record(VERSION, candidates, _last_number(store, name)))


def finish(
    store: Store, name: str, candidates: Sequence[Candidate], report: str, chosen: str | None, needs: Iterable[str]
) -> Record:
    """Notes that the latest run of ``name`` came to its report; where it is that of the last finished one, it is that.

    Args:
        report: the key of the report.
        chosen: the candidate that it says to ship.
        needs: keys of all results that it read or made.
    """
    before = next((readable(store, state) for state in reversed(states(store, name))), None)
    candidates = _absolute(candidates)
    if before is not None and (before.candidates, before.report) == (candidates, report):
        record = replace(before, needs=sorted({*before.needs, *needs}))
    else:
        date = datetime.now(UTC).isoformat(timespec="seconds")
        record = Record(VERSION, candidates, _last_number(store, name) + 1, report, date, chosen, sorted({*needs}))
    for each in (f"{name}{STATE}{record.number}", name):
        if record != readable(store, each):
            _write(store, each, record)
    return record


def withdraw(store: Store, name: str) -> None:
    """Forgets a run; ``NAME`` itself is then the last finished one that is left, if any is."""
    base = name.partition(STATE)[0]
    latest = readable(store, base)
    file_of(store, name).unlink(missing_ok=True)
    left = states(store, base)
    if name == base or (latest and latest.report and latest.number not in map(number_of, left)):
        file_of(store, base).unlink(missing_ok=True)
        if left:
            _write(store, base, read_record(store, left[-1]))


def runs(store: Store) -> list[str]:
    """Names of the runs that the store knows, in order; the latest of each name."""
    return [name for name in _files(store) if STATE not in name]


def states(store: Store, name: str) -> list[str]:
    """The finished runs of ``name``, ``NAME@1`` …, the earliest first."""
    own = [state for state in _files(store) if re.fullmatch(rf"{re.escape(name)}{STATE}\d+", state)]
    return sorted(own, key=number_of)


def number_of(state: str) -> int:
    """3 of ``NAME@3``."""
    return int(state.rpartition(STATE)[2])


def file_of(store: Store, name: str) -> Path:
    """The record of a run, ``NAME`` or ``NAME@N``."""
    return store.root / "runs" / f"{name}.json"


def read_record(store: Store, name: str) -> Record:
    """The record of run ``NAME``, the latest, or ``NAME@N``; of its candidates the untouched model is the first.

    Raises:
        InputError: the store has no such run, or its record is of another version or broken.
    """
    from pydantic import TypeAdapter

    if name not in (known := _files(store)):
        own = states(store, name.partition(STATE)[0])
        there = own or [each for each in known if STATE not in each]
        raise InputError(
            f"{store.root}: has no run {name!r}{did_you_mean(name, there)}",
            hint=f"it has: {', '.join(there)}" if there else f"it has none; {MAKES_ONE}",
        )
    file = file_of(store, name)
    try:
        record = TypeAdapter(Record).validate_json(file.read_bytes())
    except ValueError as error:
        raise InputError(f"{file}: not a run's record ({' '.join(str(error).split())[:200]})", hint=AGAIN) from None
    if record.version != VERSION:
        raise InputError(f"{file}: found version {record.version}; needs {VERSION}", hint=AGAIN)
    return replace(record, candidates=[moved(candidate, store.root.joinpath) for candidate in record.candidates])


def readable(store: Store, name: str) -> Record | None:
    """The same; None where there is no such run, or its record can't be read."""
    try:
        return read_record(store, name) if name in _files(store) else None
    except InputError:
        return None


def is_run(store: Store, source: str) -> bool:
    """Whether ``source`` is ``RUN``, ``RUN@N``, or one of these with a candidate, of a run that the store knows."""
    return source.partition("/")[0] in _files(store) and source.count("/") <= 1


def candidate_of(store: Store, source: str) -> Candidate:
    """The candidate that ``RUN/CANDIDATE`` names, or that the run chose: ``RUN``.

    Of one that was distilled to few steps, also ``NAME-2steps``.

    Raises:
        InputError: the store has no such run, the run no such candidate, or it chose none.
    """
    run, _, name = source.partition("/")
    if run not in (known := _files(store)):
        raise InputError(
            f"{source}: no such file or folder, and the store {store.root} has no run {run!r}"
            f"{did_you_mean(run, known, after='/' + name if name else '')}",
            hint=f"its runs: {', '.join(runs(store))}" if known else f"it has no runs; {MAKES_ONE}",
        )
    record = read_record(store, run)
    there = {candidate.name: candidate for candidate in record.candidates}
    name = name or record.chosen or ""
    if not name:
        why = "chose no candidate" if record.report else "hasn't come to a choice"
        raise InputError(f"{run}: is a run that {why}; needs one of its candidates, as {run}/{next(iter(there))}")
    few = re.fullmatch(r"(.+)-(\d+)steps?", name)
    if name not in there and few and few[1] in there and there[few[1]].guidance_width and int(few[2]):
        return replace(there[few[1]], name=at(few[1], int(few[2])), steps=int(few[2]))
    if name not in there:
        suggestion = did_you_mean(name, there, before=f"{run}/")
        raise InputError(
            f"{run}/{name}: run {run} has no candidate {name!r}{suggestion}", hint=f"it has: {', '.join(there)}"
        )
    return there[name]


def moved(candidate: Candidate, where: Callable[[Path], Path]) -> Candidate:
    """The candidate with all its paths as ``where`` says."""
    return replace(
        candidate,
        source=where(candidate.source),
        components={n: replace(c, path=where(c.path)) for n, c in candidate.components.items()},
        configs={name: where(folder) for name, folder in candidate.configs.items()},
    )


def inside(store: Store) -> Callable[[Path], Path]:
    """Makes a path that lies in the store relative to it; others stay, in full."""

    def relative(path: Path) -> Path:
        absolute = path.absolute()
        return absolute.relative_to(store.root) if absolute.is_relative_to(store.root) else absolute

    return relative


def _write(store: Store, name: str, record: Record) -> None:
    from pydantic import TypeAdapter

    own = replace(record, candidates=[moved(candidate, inside(store)) for candidate in record.candidates])
    write_atomic(file_of(store, name), TypeAdapter(Record).dump_json(own, indent=1))


def _absolute(candidates: Sequence[Candidate]) -> list[Candidate]:
    return [moved(candidate, Path.absolute) for candidate in candidates]


def _last_number(store: Store, name: str) -> int:
    latest = readable(store, name)
    return max([latest.number if latest else 0, *map(number_of, states(store, name))])


def _files(store: Store) -> list[str]:
    return sorted(file.stem for file in (store.root / "runs").glob("*.json"))
