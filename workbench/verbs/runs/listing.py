"""``workbench runs`` and ``runs show``: the runs of a store, from what they left there; nothing is computed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from workbench.errors import InputError
from workbench.models.record import read_record, runs, states
from workbench.report.format import MISSING, megabytes, milliseconds, number
from workbench.run.history import Finished, finished
from workbench.run.kept import entries, needs, shares
from workbench.store.store import Store
from workbench.terminal import table

UNFINISHED = "not finished"


@dataclass(frozen=True)
class Listed:
    """A run in one line: figures are of the chosen candidate on the target of the choice; sizes in bytes.

    ``alone_bytes``: what would be free without it. ``problem``: why there is no more to tell.
    """

    run: str
    date: str = ""
    recipe: str = ""
    latest: bool = True
    chosen: str | None = None
    target: str | None = None
    latency_ms: float | None = None
    size_bytes: float | None = None
    quality: str | None = None
    score: float | None = None
    disk_bytes: int | None = None
    alone_bytes: int | None = None
    problem: str = ""


def listing(store: Store) -> list[Listed]:
    """All runs of the store, finished ones and others, the latest first."""
    disk = _disk(store)
    names = [name for base in runs(store) for name in [*states(store, base), *_unfinished(store, base)]]
    rows = [_listed(store, name, *disk.get(name, (None, None))) for name in names]
    return sorted(rows, key=lambda row: (row.date, row.run), reverse=True)


def found(store: Store, name: str) -> tuple[Listed, Finished]:
    """One run, in one line and whole.

    Raises:
        InputError: as ``finished``.
    """
    run = finished(store, name)
    return _told(run, True, *_disk(store).get(run.name, (None, None))), run


def _listed(store: Store, name: str, disk: int | None, alone: int | None) -> Listed:
    try:
        record = read_record(store, name)
        if not record.report:
            return Listed(name, disk_bytes=disk, alone_bytes=alone, problem=UNFINISHED)
        base = name.partition("@")[0]
        return _told(finished(store, name), states(store, base)[-1] == name, disk, alone)
    except InputError as error:
        return Listed(name, disk_bytes=disk, alone_bytes=alone, problem=error.message)


def _told(run: Finished, latest: bool, disk: int | None, alone: int | None) -> Listed:
    choice = run.choice
    profile: Mapping[str, Any] = run.data.profiles.get((choice.target, choice.chosen or "")) or {}
    latency = (profile.get("pipeline") or {}).get("latency_ms") or {}
    scores = run.data.scores.get(choice.chosen or "")
    score = scores["metrics"].get(choice.quality) if scores and choice.quality else None
    return Listed(
        run.name,
        run.date,
        run.data.recipe.description or run.data.recipe.name,
        latest,
        choice.chosen,
        choice.target,
        latency.get("median"),
        profile.get("size_bytes"),
        choice.quality,
        score["value"] if score else None,
        disk,
        alone,
    )


def _unfinished(store: Store, name: str) -> list[str]:
    """The name itself, where its latest run isn't finished or can't be read."""
    try:
        return [] if read_record(store, name).report else [name]
    except InputError:
        return [name]


def _disk(store: Store) -> dict[str, tuple[int, int]]:
    """Bytes of every run, and of what it alone needs; nothing where a record can't be read."""
    try:
        return shares(needs(store), entries(store))
    except InputError:
        return {}


def show(rows: Sequence[Listed], as_json: bool) -> None:
    """Prints the runs, a row for each; or JSON."""
    if as_json:
        print(json.dumps([asdict(row) for row in rows], indent=1))
        return
    if not rows:
        print("no runs; workbench run RECIPE.yaml makes one")
        return
    names = ("run", "date", "recipe", "chosen", "latency", "size", "quality", "disk", "alone")
    table(names, map(_row, rows), left=names[:4])
    for row in rows:
        if row.problem not in ("", UNFINISHED):
            print(row.problem)


def _row(row: Listed) -> tuple[str, ...]:
    quality = f"{row.quality} {number(row.score)}" if row.score is not None else MISSING
    chosen = row.chosen or (
        "none fits" if not row.problem else UNFINISHED if row.problem == UNFINISHED else "can't be read"
    )
    disk = (megabytes(row.disk_bytes), megabytes(row.alone_bytes))
    figures = (milliseconds(row.latency_ms), megabytes(row.size_bytes), quality)
    return row.run, row.date[:16].replace("T", " "), row.recipe, chosen, *figures, *disk


def show_one(row: Listed, run: Finished, as_json: bool) -> None:
    """Prints one run: its choice, its candidates, where its files lie; or JSON."""
    ranked = run.ranking.table
    if as_json:
        rows = json.loads(ranked.to_json(orient="records"))
        facts = asdict(row) | {
            "reason": run.choice.reason,
            "candidates": rows,
            "pictures": {name: str(folder) for name, folder in run.data.pictures.items()},
            "exports": {name: {c: str(file) for c, file in files.items()} for name, files in run.exports.items()},
            "report": str(run.page),
            "recipe_text": run.data.recipe_text,
            "environment": dict(run.data.environment),
        }
        print(json.dumps(facts, indent=1))
        return
    print(f"{row.run}, finished {row.date}: {row.recipe}")
    quality = run.choice.quality
    columns = ("candidate", "target", "scheme", "latency", "size", *([quality] if quality else []), "pareto", "chosen")
    rows = (
        (
            *(each["candidate"], each["target"], each["scheme"]),
            *(milliseconds(each["latency_ms"]), megabytes(each["size_bytes"])),
            *([number(each[quality])] if quality else []),
            *("yes" if each[mark] else "" for mark in ("pareto", "chosen")),
        )
        for each in ranked.to_dict("records")
    )
    table(columns, rows, left=columns[:3])
    print(
        f"ship {run.choice.chosen}: {run.choice.reason}"
        if run.choice.chosen
        else f"no candidate fits: {run.choice.reason}"
    )
    print(f"in the store: {megabytes(row.disk_bytes)}, {megabytes(row.alone_bytes)} of it for this run alone")
    print(f"report: {_near(run.page)}")


def _near(path: Path) -> Path:
    """Relative to the current folder where it lies in it."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path
