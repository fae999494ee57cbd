"""The recipes that come with the package, found by name from anywhere."""

from __future__ import annotations

import os
from pathlib import Path

# Not with "/": what a module reads beside itself is part of the keys of all that reaches it (store/depends.py).
FOLDER = Path(__file__).parents[1].joinpath("recipes")
"""In a checkout a link to the repository's ``recipes/``, in an installed package a folder of the same files."""


def names() -> list[str]:
    """What they are called, in order."""
    return sorted(file.stem for file in FOLDER.glob("*.yaml"))


def found(given: Path) -> Path:
    """``given`` where there is such a file; else the recipe of that name, if there is one."""
    shipped = FOLDER / f"{given}.yaml"
    there = os.path.lexists(given) and not given.is_dir()
    return shipped if not there and shipped.parent == FOLDER and shipped.is_file() else given
