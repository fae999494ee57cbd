"""Profiles and the report: from the store to profiles/ and reports/."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.metrics.scores import Scores
from workbench.models.candidate import Candidate
from workbench.models.folder import notes
from workbench.progress import warn
from workbench.recipe.load import Loaded
from workbench.run.history import Exports, shown, write_run
from workbench.run.profiles import Profiled
from workbench.store.depends import depends_on
from workbench.store.environment import environment, fingerprint
from workbench.store.files import hash_file, write_atomic
from workbench.store.store import Store, key_of

if TYPE_CHECKING:
    from workbench.report.data import RunData


STATE = ".state"
"""In a folder of profiles: which recipe and machine they are of."""


@dataclass(frozen=True)
class Results:
    """All that a run made or found, by candidate; ``data_sets`` by their own names."""

    chain: Sequence[Candidate]
    exports: Exports
    scores: Mapping[str, Scores]
    pictures: Mapping[str, Path]
    profiles: Profiled
    data_sets: Mapping[str, Mapping[str, Any]]
    stages: Sequence[Mapping[str, Any]] = ()
    """Forecast and truth of the run's stages."""


@dataclass(frozen=True)
class Report:
    """What a run came to: its page under ``--out``, its key in the store, and the candidate that it says to ship."""

    page: Path
    key: str
    chosen: str | None


def publish(loaded: Loaded, results: Results, store: Store, out: Path) -> Report:
    """Writes profiles/NAME/ and reports/NAME.{html,csv} under ``out``."""
    recipe, profiles = loaded.recipe, results.profiles
    profiled = out / "profiles" / recipe.name
    state = key_of({"recipe": recipe.settings(), "machine": fingerprint()})
    _set_aside(profiled, state)
    write_atomic(profiled / STATE, state)
    for target, candidate in profiles.folders:
        for kind in ("csv", "json", "roofline.csv"):
            file = profiles.file(target, candidate, kind)
            if file.is_file():
                _copy(file, profiled / file.name)

    key = key_of(
        {
            "stage": "report",
            **depends_on("workbench.report.html", "workbench.report.sections", "workbench.run.publish"),
            "recipe": loaded.text,
            "settings": recipe.settings(),
            "candidates": [[c.name, c.key] for c in results.chain],
            "exports": {
                name: {c: file.parent.name for c, file in own.items()} for name, own in results.exports.items()
            },
            "pictures": {name: str(folder.name) for name, folder in results.pictures.items()},
            "scores": results.scores,
            "profiles": profiles.key,
            "data_sets": results.data_sets,
            "stages": list(results.stages),
        }
    )

    def work(folder: Path) -> dict[str, Any]:
        from workbench.report.html import write_report

        data = _data(loaded, results, store)
        write_report(data, folder)
        return {"chosen": write_run(data, results.chain, results.exports, store, folder).chosen}

    made = store.compute(key, work)
    for suffix in ("html", "csv"):
        source = next(store.folder(key).rglob(f"{recipe.name}.{suffix}"))
        _copy(source, out / "reports" / f"{recipe.name}.{suffix}")
    return Report(out / "reports" / f"{recipe.name}.html", key, made["chosen"])


def _set_aside(folder: Path, state: str) -> None:
    """Renames profiles of another state of the recipe or of another machine, which would be overwritten."""
    mark = folder / STATE
    before = mark.read_text() if mark.is_file() else "earlier"
    if before != state and any(folder.glob("*@*")):
        kept = folder.with_name(f"{folder.name}.{re.sub('[^a-z0-9]', '', before)[:8]}")
        shutil.rmtree(kept, ignore_errors=True)
        folder.rename(kept)
        warn(f"{folder}: held profiles of another state of the recipe or another machine; they lie in {kept} now")


def _data(loaded: Loaded, results: Results, store: Store) -> RunData:
    from workbench.report.data import RunData

    chain, scores, profiles = results.chain, results.scores, results.profiles
    summaries = profiles.summaries()
    made = {c.name: store.get(c.key) or {} for c in chain}
    once = {c.key: c.name for c in reversed(chain)}.values()
    timings = {name: made[name]["seconds"] for name in made if name in once and "seconds" in made[name]}
    timings |= {f"evaluate {name}": s["seconds"] for name, s in scores.items()}
    timings["profile"] = profiles.seconds
    said = [f"model: {what}" for what in notes(chain[0].source)]
    return RunData(
        recipe=loaded.recipe,
        recipe_text=loaded.text,
        candidates=shown(chain, {c.name: c.scheme for c in chain}),
        scores=scores,
        pictures=results.pictures,
        profiles=summaries,
        layers={pair: profiles.file(*pair, "csv") for pair in profiles.folders},
        warnings=list(dict.fromkeys([*said, *(w for s in summaries.values() for w in s.get("warnings", []))])),
        environment=environment(),
        timings=timings,
        recipe_hash=key_of({"recipe": loaded.recipe.settings()}),
        data_sets=results.data_sets,
        stages=results.stages,
    )


def _copy(source: Path, target: Path) -> None:
    """Copies under a temporary name and renames; leaves an equal file alone."""
    if target.is_file() and hash_file(target) == hash_file(source):
        return
    write_atomic(target, source.read_bytes())
