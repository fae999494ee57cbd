"""``workbench store clean``: what no kept run needs goes; what goes is said, and how much it is."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from workbench.errors import InputError, RunError
from workbench.models.record import STATE, file_of, read_record, readable, runs, states, withdraw
from workbench.report.format import megabytes
from workbench.run.kept import Entry, damaged, entries, needs, newest, size_of, unfinished
from workbench.store.scratch import remove
from workbench.store.store import Store

UNITS = {"kB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12}
DAY_S = 86_400.0
AGES = {"m": 60.0, "h": 3600.0, "d": DAY_S, "w": 7 * DAY_S}
DEFAULT_AGE = "7d"
"""A killed run's finished steps are nobody's until it comes to its end: a week is time enough to go on with it."""


@dataclass(frozen=True)
class Wanted:
    """What may go.

    Attributes:
        age: seconds that something has to be old; what alone a forgotten run needed goes at once.
        forget: runs that aren't kept any more, ``NAME`` or ``NAME@N``.
        earlier: whether finished runs that a later one of their name follows are kept no more, either.
        most: bytes that the store may take: the oldest go first, whatever their age, until it is so small.
    """

    age: float
    forget: Sequence[str] = ()
    earlier: bool = False
    most: float | None = None


@dataclass(frozen=True)
class Going:
    """What goes: runs by name, results with their sizes, folders of unfinished work and of damaged results."""

    runs: Sequence[str]
    results: Sequence[Entry]
    folders: Sequence[tuple[Path, int]]
    left: int
    """Bytes of the store without it."""

    @property
    def bytes(self) -> int:
        """Of all that goes."""
        return sum(entry.size for entry in self.results) + sum(size for _, size in self.folders)


def plan(store: Store, wanted: Wanted, now: float | None = None) -> Going:
    """What would go; nothing is removed.

    Raises:
        InputError: there is no run of a name to forget, or a run's record can't be read: nobody knows what it needs.
            It can be forgotten all the same.
    """
    broken = [name for name in wanted.forget if name in runs(store) and not readable(store, name)]
    now, there, needed, whole = now or time.time(), entries(store), needs(store, broken), size_of(store.root)
    going = _forgotten(store, wanted.forget)
    released = frozenset[str]().union(*(needed[name] for name in going if name in needed))
    if wanted.earlier:
        going += [name for name in _earlier(store, now - wanted.age) if name not in going]
    kept = {name: keys for name, keys in needed.items() if name not in going}
    results = [e for e in _idle(there, kept) if e.key in released or e.made <= now - wanted.age]
    folders = [(folder, size_of(folder)) for folder in damaged(store)]
    folders += [(folder, size_of(folder)) for folder in unfinished(store) if newest(folder) <= now - wanted.age]
    left = whole - sum(entry.size for entry in results) - sum(size for _, size in folders)
    if wanted.most is not None:
        for entry in _idle(there, kept):
            if left > wanted.most and entry not in results:
                results, left = [*results, entry], left - entry.size
    return Going(going, results, folders, left)


def clean(store: Store, wanted: Wanted, dry_run: bool) -> Going:
    """Removes what ``plan`` says, unless ``dry_run``. Runs first, then results: what is still listed is whole.

    Raises:
        InputError: as ``plan``; or another run uses the store.
        RunError: without what its runs need, the store isn't as small as it was to be.
    """
    if dry_run:
        return plan(store, wanted)
    with store.lock():
        going = plan(store, wanted)
        for name in going.runs:
            withdraw(store, name)
        for folder in [*(store.folder(entry.key) for entry in going.results), *(folder for folder, _ in going.folders)]:
            remove(folder)
    return going


def too_large(going: Going, wanted: Wanted) -> None:
    """Ends where the store is still larger than asked for.

    Raises:
        RunError: it is.
    """
    if wanted.most is not None and going.left > wanted.most:
        raise RunError(
            f"the store takes {megabytes(going.left)}, more than {megabytes(wanted.most)}: its runs need it",
            hint="--earlier lets go of runs that a later one follows, --forget RUN of any; see workbench runs",
        )


def show(going: Going, dry_run: bool, as_json: bool) -> None:
    """Prints what went, or would go: runs, then results and folders by kind; or JSON."""
    if as_json:
        results = [{"key": entry.key, "kind": entry.kind, "bytes": entry.size} for entry in going.results]
        folders = [{"folder": str(folder), "bytes": size} for folder, size in going.folders]
        facts = {"runs": list(going.runs), "results": results, "folders": folders}
        print(json.dumps({**facts, "bytes": going.bytes, "left_bytes": going.left, "dry_run": dry_run}, indent=1))
        return
    for name in going.runs:
        print(f"{name}: {'would be forgotten' if dry_run else 'forgotten'}")
    kinds: dict[str, list[int]] = {}
    for entry in going.results:
        kinds.setdefault(entry.kind, []).append(entry.size)
    for folder, size in going.folders:
        kinds.setdefault("damaged" if folder.parent.name == "damaged" else "not finished", []).append(size)
    for kind, sizes in sorted(kinds.items(), key=lambda pair: -sum(pair[1])):
        print(f"{kind}: {len(sizes)}, {megabytes(sum(sizes))}")
    verb = "would be removed" if dry_run else "removed"
    print(f"{megabytes(going.bytes)} {verb}, {megabytes(going.left)} left")


def age_of(text: str) -> float:
    """``7d`` in seconds; ``m``, ``h``, ``d`` and ``w`` are known.

    Raises:
        InputError: it isn't of that form.
    """
    return _amount(text, AGES, "--older-than", "an age such as 12h, 7d or 0d")


def bytes_of(text: str) -> float:
    """``2GB`` in bytes; ``kB``, ``MB``, ``GB`` and ``TB`` are powers of 1,000.

    Raises:
        InputError: it isn't of that form.
    """
    return _amount(text, UNITS, "--to", "a size such as 500MB or 2GB")


def _amount(text: str, units: dict[str, float], option: str, needs: str) -> float:
    found = re.fullmatch(rf"(\d+(?:\.\d+)?)\s*({'|'.join(units)})", text.strip())
    if not found:
        raise InputError(f"{option}: found {text!r}; needs {needs}")
    return float(found[1]) * units[found[2]]


def _idle(there: Sequence[Entry], kept: dict[str, frozenset[str]]) -> list[Entry]:
    every = frozenset[str]().union(*kept.values())
    return [entry for entry in there if entry.key not in every]


def _forgotten(store: Store, names: Sequence[str]) -> list[str]:
    found: list[str] = []
    for name in names:
        if name not in [*runs(store), *states(store, name.partition(STATE)[0])]:
            read_record(store, name)  # tells what there is
        latest = readable(store, name)
        own = [name] if STATE in name else [*states(store, name), *([] if latest and latest.report else [name])]
        found += [each for each in own if each not in found]
    return found


def _earlier(store: Store, until: float) -> Iterator[str]:
    """Finished runs that a later one of their name follows, and that are old enough."""
    for name in runs(store):
        for state in states(store, name)[:-1]:
            if file_of(store, state).stat().st_mtime <= until:
                yield state
