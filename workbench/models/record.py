"""Which candidates a run made and where they lie, so that other verbs can take them by name."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from workbench.errors import InputError
from workbench.models.candidate import Candidate, Component
from workbench.store.files import write_atomic
from workbench.store.store import Store

VERSION = 2
AGAIN = "run its recipe again: workbench run RECIPE.yaml"


def write_record(store: Store, name: str, candidates: Sequence[Candidate]) -> None:
    """Notes the candidates of run ``name`` in the store; the latest run of a name stands.

    Paths inside the store are kept relative to it, so it may be moved.
    """
    folder = store.root / "runs"
    folder.mkdir(parents=True, exist_ok=True)
    record = {"version": VERSION, "candidates": [_described(candidate, store) for candidate in candidates]}
    write_atomic(folder / f"{name}.json", json.dumps(record, indent=1))


def runs(store: Store) -> list[str]:
    """Names of the runs that the store knows, in order."""
    return sorted(file.stem for file in (store.root / "runs").glob("*.json"))


def read_record(store: Store, name: str) -> list[Candidate]:
    """The candidates of run ``name``, the untouched model first.

    Raises:
        InputError: the store has no such run, or its record is of another version or broken.
    """
    file = store.root / "runs" / f"{name}.json"
    if name not in runs(store):
        raise InputError(f"{store.root}: has no run {name!r}", hint=f"it has: {', '.join(runs(store)) or 'none'}")
    try:
        record = json.loads(file.read_text(encoding="utf-8"))
        if record["version"] != VERSION:
            raise InputError(f"{file}: found version {record['version']}; needs {VERSION}", hint=AGAIN)
        return [_read(entry, store) for entry in record["candidates"]]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{file}: not a run's record ({type(error).__name__}: {error})", hint=AGAIN) from None


def _described(candidate: Candidate, store: Store) -> dict[str, Any]:
    return {
        "name": candidate.name,
        "key": candidate.key,
        "source": _kept(candidate.source, store),
        "components": {
            name: {"kind": own.kind, "path": _kept(own.path, store), "scheme": own.scheme}
            for name, own in candidate.components.items()
        },
        "lineage": list(candidate.lineage),
        "report": dict(candidate.report),
        "parent": candidate.parent,
        "teacher": candidate.teacher,
        "configs": {name: _kept(folder, store) for name, folder in candidate.configs.items()},
    }


def _read(entry: dict[str, Any], store: Store) -> Candidate:
    components = {
        name: Component(name, own["kind"], store.root / own["path"], own["scheme"])
        for name, own in entry["components"].items()
    }
    source = store.root / entry["source"]
    return Candidate(
        entry["name"],
        entry["key"],
        source,
        components,
        tuple(entry["lineage"]),
        entry["report"],
        entry["parent"],
        entry.get("teacher"),
        {name: store.root / folder for name, folder in entry["configs"].items()},
    )


def _kept(path: Path, store: Store) -> str:
    absolute = path.absolute()
    return str(absolute.relative_to(store.root) if absolute.is_relative_to(store.root) else absolute)
