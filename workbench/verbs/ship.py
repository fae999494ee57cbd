"""``workbench ship``: a run's choice as a folder for others, and whether such a folder still is what was shipped."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from workbench.errors import InputError, RunError, unknown
from workbench.models.candidate import Candidate
from workbench.recipe.load import load_recipe
from workbench.release.card import agreed
from workbench.release.ship import Shipped
from workbench.release.verify import Verified
from workbench.run.history import Finished, finished
from workbench.store.store import Store

RECIPES = (".yaml", ".yml")


def chosen(source: str, candidate: str | None, overrides: Sequence[str], store: Store) -> tuple[Finished, Candidate]:
    """The finished run that RUN, RUN/CANDIDATE or RECIPE means, and the candidate that is asked for or was chosen.

    Raises:
        InputError: there is no such run or candidate, it was of other settings, or no candidate was chosen.
    """
    if overrides or Path(source).suffix in RECIPES or Path(source).is_file():
        loaded = load_recipe(Path(source), overrides)
        run = finished(store, loaded.recipe.name)
        if run.data.recipe.settings() != loaded.recipe.settings():
            sets = "".join(f" --set {override}" for override in overrides)
            raise InputError(
                f"{source}: the run of that name in the store, {run.name}, was of other settings",
                hint=f"workbench run {source}{sets}; or ship the run as it is: workbench ship {loaded.recipe.name}",
            )
    else:
        name, _, named = source.partition("/")
        if named and candidate not in (None, named):
            raise InputError(f"--candidate: found {candidate!r}; {source} names one already")
        run, candidate = finished(store, name), named or candidate
    wanted = candidate or run.choice.chosen
    names = [one.name for one in run.candidates]
    if wanted is None:
        raise InputError(
            f"{run.name}: nothing was chosen: {run.choice.reason}",
            hint=f"--candidate NAME ships one all the same: {', '.join(names)}",
        )
    if wanted not in names:
        raise unknown(f"{run.name}: has no candidate {wanted!r}", wanted, names, "it has")
    return run, run.candidate(wanted)


def show_shipped(shipped: Shipped, as_json: bool) -> None:
    """Prints where it lies, what it is, and how its client draws; or JSON."""
    manifest = shipped.manifest
    agreement = manifest["agreement"]
    if as_json:
        facts = {
            "folder": str(shipped.folder),
            "name": manifest["name"],
            "layout": manifest["layout"],
            "size_bytes": shipped.size_bytes,
            "files": len(manifest["files"]),
            "agreement": agreement,
            "notes": list(manifest["notes"]),
        }
        print(json.dumps(facts, indent=1))
        return
    for note in manifest["notes"]:
        print(note)
    print(agreed(agreement) if agreement else f"not drawn by the client: {manifest['not_drawn']}")
    print(f"shipped: {shipped.folder}  ({manifest['name']}, {manifest['layout']}, {shipped.size_bytes / 1e6:.1f} MB)")


def show_verified(verified: Verified, as_json: bool) -> None:
    """Prints what was found.

    Raises:
        RunError: something differs; each is named with its file.
    """
    if as_json:
        facts = {
            "folder": str(verified.folder),
            "files": verified.files,
            "differs": verified.differs,
            "agreement": verified.agreement,
        }
        print(json.dumps(facts, indent=1))
    elif verified.agreement:
        print(f"{verified.files} files; {agreed(verified.agreement)}")
    if verified.differs:
        damaged = "" if verified.agreement else "\nnothing was drawn: damaged files aren't loaded"
        raise RunError(f"{verified.folder}: isn't what was shipped:\n" + "\n".join(verified.differs) + damaged)
