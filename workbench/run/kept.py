"""What lies in a store, and what of it which run needs: derived from what each run read or made."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from workbench.models.record import Record, read_record, runs, states
from workbench.store.store import RESULT, Store
from workbench.store.taken import made_by

OTHER = "other"
"""The kind of a result of which nothing is noted: it was made by an earlier version."""


@dataclass(frozen=True)
class Entry:
    """A finished result: ``size`` in bytes, ``made`` in seconds since 1970, ``kind`` of the work that made it."""

    key: str
    size: int
    made: float
    kind: str


def entries(store: Store) -> list[Entry]:
    """All finished results, the earliest first. Their files are looked at, not read."""
    folders = [folder for folder in (store.root / "results").glob("*") if (folder / RESULT).is_file()]
    found = [
        Entry(
            folder.name,
            size_of(folder),
            (folder / RESULT).stat().st_mtime,
            made_by(store.root, folder.name) or OTHER,
        )
        for folder in folders
    ]
    return sorted(found, key=lambda entry: (entry.made, entry.key))


def size_of(path: Path) -> int:
    """Bytes of a file, or of all files in a folder."""
    if path.is_file():
        return path.stat().st_size
    return sum(file.lstat().st_size for file in path.rglob("*") if file.is_file())


def needs(store: Store, without: Collection[str] = ()) -> dict[str, frozenset[str]]:
    """Keys of the results that each run needs, by its name: every finished one, and those that aren't finished.

    Args:
        without: names that aren't looked at.

    Raises:
        InputError: a run's record can't be read: nobody knows what it needs.
    """
    found: dict[str, frozenset[str]] = {}
    for name in (name for name in runs(store) if name not in without):
        latest = read_record(store, name)
        found |= {state: frozenset(read_record(store, state).needs) for state in states(store, name)}
        if not latest.report:
            found[name] = frozenset(_made(latest, store))
    return found


def shares(needed: Mapping[str, frozenset[str]], there: Iterable[Entry]) -> dict[str, tuple[int, int]]:
    """Bytes of what each run needs, and of what it alone needs, by its name."""
    size = {entry.key: entry.size for entry in there}
    found = {}
    for name, own in needed.items():
        others = frozenset[str]().union(*(keys for other, keys in needed.items() if other != name))
        found[name] = sum(size.get(key, 0) for key in own), sum(size.get(key, 0) for key in own - others)
    return found


def unfinished(store: Store) -> list[Path]:
    """Folders of work that was begun and not finished: a run that goes on finds its checkpoints there."""
    return sorted(folder for folder in (store.root / "work").glob("*") if folder.is_dir())


def damaged(store: Store) -> list[Path]:
    """Folders of results that weren't what had been stored."""
    return sorted(folder for folder in (store.root / "damaged").glob("*") if folder.is_dir())


def newest(folder: Path) -> float:
    """When something in a folder was changed last, in seconds since 1970."""
    return max(path.lstat().st_mtime for path in (folder, *folder.rglob("*")))


def _made(record: Record, store: Store) -> Iterator[str]:
    """Keys of a run that isn't finished: of its candidates, and of the results in which their files lie."""
    results = store.root / "results"
    for candidate in record.candidates:
        files = [candidate.source, *candidate.configs.values(), *(c.path for c in candidate.components.values())]
        yield candidate.key
        yield from (path.relative_to(results).parts[0] for path in files if path.is_relative_to(results))
