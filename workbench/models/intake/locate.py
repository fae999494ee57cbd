"""Where a model lies: the embedded demo, a path, or the Hub, of which only the files that are read are fetched."""

from __future__ import annotations

import importlib.resources
import os
from collections.abc import Sequence
from fnmatch import fnmatch
from functools import cache, partial
from pathlib import Path

from workbench.errors import InputError
from workbench.models.families import INDEX, families
from workbench.models.families.base import Part
from workbench.models.hub import HUB, NAME, fetch
from workbench.models.intake.model import FORMS, Model
from workbench.models.weights import ANY, is_of

DEMO = "demo"


def demo_folder() -> Path:
    """The embedded model's folder; ``$WORKBENCH_DEMO`` names another one in its place."""
    named = os.environ.get("WORKBENCH_DEMO")
    return Path(named) if named else Path(str(importlib.resources.files("workbench.models"))) / "demo"


def locate(model: Model) -> Path:
    """The folder or file of a model, fetched where it is on the Hub: the only use of the network.

    Raises:
        InputError: there is no such model.
        RunError: the Hub can't be reached and the model isn't in the local cache.
    """
    if model.path == DEMO:
        return demo_folder()
    if model.path.startswith(HUB):
        return _fetched(model.path, model.variant, model.allow_pickle)
    path = Path(model.path)
    if not path.exists():
        raise absent(model.path, "folder or file", FORMS)
    return path


@cache
def _fetched(path: str, variant: str | None, allow_pickle: bool) -> Path:
    """Asked once by a process: what it works on stays the same."""
    return fetch(path, partial(wanted, Model(path=path, variant=variant, allow_pickle=allow_pickle)))


def absent(path: str, what: str, needs: str) -> InputError:
    """The error about a path where there is nothing."""
    meant = f"; did you mean {HUB}{path}?" if NAME.fullmatch(path) else ""
    return InputError(f"found {path!r}, no such {what} ({Path(path).absolute()}); needs {needs}{meant}")


def wanted(model: Model, names: Sequence[str] | None) -> list[str]:
    """The files of a repository that make up a pipeline of any family: of weights, one variant of each network.

    Where they aren't known, the one that a local copy has to have; what else lacks is found in its folder.
    """
    if names is None:
        return [INDEX]
    parts = {part.folder: part for family in families() for part in family.parts}
    beside = {folder for family in families() for folder in family.beside}
    patterns = [f"{name}/*.{kind}" for name in sorted(parts.keys() | beside) for kind in ("json", "txt")]
    chosen = [name for name in names if name == INDEX or any(fnmatch(name, pattern) for pattern in patterns)]
    for folder, part in parts.items():
        inside = [name.rpartition("/")[2] for name in names if name.rpartition("/")[0] == folder]
        chosen += [f"{folder}/{name}" for name in weights_of(part, inside, model)]
    return chosen


def weights_of(part: Part, names: Sequence[str], model: Model) -> list[str]:
    """Of the files in a network's folder those with the weights that are taken; none where there are none."""
    order = [model.variant, *ANY] if model.variant else ANY
    kinds = [(part.stem, "safetensors"), *([(part.pickled, "bin")] if model.allow_pickle else [])]
    for stem, suffix in kinds:
        for variant in order:
            if found := [name for name in names if is_of(name, stem, variant, suffix)]:
                return found
    return []
