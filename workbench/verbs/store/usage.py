"""``workbench store``, ``store verify`` and ``store path``: what lies in the store, whether it is sound, and where."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.errors import InputError, RunError, unknown
from workbench.models.record import AGAIN, candidate_of, read_record
from workbench.progress import Progress
from workbench.report.format import megabytes
from workbench.run.kept import damaged, entries, needs, shares, size_of, unfinished
from workbench.store.store import Store
from workbench.terminal import table


@dataclass(frozen=True)
class Usage:
    """Bytes: of all; of results by kind, with their number; of every run, with what it alone needs."""

    store: str
    bytes: int
    kinds: dict[str, tuple[int, int]]
    runs: dict[str, tuple[int, int]]
    unneeded: tuple[int, int]
    """Results that no run needs: how many, and their bytes."""
    unfinished: tuple[int, int]
    damaged: tuple[int, int]


def usage(store: Store) -> Usage:
    """What takes the space of a store.

    Raises:
        InputError: a run's record can't be read.
    """
    there, needed = entries(store), needs(store)
    count, sizes = Counter(entry.kind for entry in there), Counter[str]()
    for entry in there:
        sizes[entry.kind] += entry.size
    every = frozenset[str]().union(*needed.values())
    idle = [entry.size for entry in there if entry.key not in every]
    return Usage(
        str(store.root),
        size_of(store.root),
        {kind: (count[kind], size) for kind, size in sizes.most_common()},
        shares(needed, there),
        (len(idle), sum(idle)),
        _sum(unfinished(store)),
        _sum(damaged(store)),
    )


def _sum(folders: list[Path]) -> tuple[int, int]:
    return len(folders), sum(map(size_of, folders))


def show(found: Usage, as_json: bool) -> None:
    """Prints what takes the space, by kind and by run; or JSON."""
    if as_json:
        pairs: dict[str, Any] = {
            "kinds": {kind: {"results": n, "bytes": size} for kind, (n, size) in found.kinds.items()},
            "runs": {run: {"bytes": size, "alone_bytes": alone} for run, (size, alone) in found.runs.items()},
        }
        rest = {name: dict(zip(("results", "bytes"), getattr(found, name), strict=True)) for name in REST}
        print(json.dumps({"store": found.store, "bytes": found.bytes, **pairs, **rest}, indent=1))
        return
    print(f"{found.store}: {megabytes(found.bytes)}")
    if found.kinds:
        rows = ((kind, str(n), megabytes(size)) for kind, (n, size) in found.kinds.items())
        table(("made by", "results", "size"), rows)
    if found.runs:
        rows = ((run, megabytes(size), megabytes(alone)) for run, (size, alone) in found.runs.items())
        table(("run", "needs", "alone"), rows)
    for name, words in REST.items():
        n, size = getattr(found, name)
        if n:
            print(f"{n} {words}: {megabytes(size)}")


REST = {
    "unneeded": "results that no run needs (workbench store clean)",
    "unfinished": "begun and not finished, where a run would go on",
    "damaged": "damaged results, set aside",
}


def verify(store: Store, run: str | None, progress: Progress) -> int:
    """Reads every result, or those that a run needs, and compares hashes; how many there were.

    Raises:
        InputError: there is no such run.
        RunError: some aren't what was stored, each named with its file; nothing was changed.
    """
    there = {entry.key: entry.size for entry in entries(store)}
    keys = list(there) if run is None else list(read_record(store, run).needs)
    wrong = [f"{store.folder(key)}: is gone" for key in keys if key not in there]
    keys = [key for key in keys if key in there]
    with progress("verify", len(keys), [there[key] + 1 for key in keys]) as tick:
        for done, key in enumerate(keys, 1):
            if file := store.damage(key):
                wrong.append(f"{store.folder(key) / file}: isn't what was stored")
            tick(done)
    if wrong:
        raise RunError("\n".join(wrong), hint=f"{AGAIN}: what is damaged is set aside and made again")
    return len(keys)


def path_of(store: Store, source: str) -> Path:
    """Where a component of a candidate lies, ``RUN/CANDIDATE/COMPONENT``: a folder of a torch module, or a file.

    Raises:
        InputError: there is none of that name, or its files are gone.
    """
    where, _, component = source.rpartition("/")
    if where.count("/") != 1 or not all(where.split("/")):
        raise InputError(f"{source}: needs RUN/CANDIDATE/COMPONENT, such as my_run/w8a8/unet")
    candidate = candidate_of(store, where)
    if component not in candidate.components:
        raise unknown(f"{source}: no component {component!r}", component, candidate.components)
    path = candidate.components[component].path
    if not path.exists():
        raise InputError(f"{path}: is gone", hint=AGAIN)
    return path
