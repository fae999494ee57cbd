"""Layouts of shipped folders, each a folder here that has a ``LAYOUT``; nothing else names one.

To add one: a folder with ``__init__.py``, which sets ``LAYOUT = Layout(__name__, …)``, and ``client.py``, which loads
it with nothing but the client's libraries: ``pipeline(folder)`` where that is called as diffusers' pipelines are, else
``pictures(folder, drawings)``, which draws what a manifest lists.
"""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

from workbench.errors import InputError
from workbench.models.candidate import Candidate
from workbench.release.layouts.base import Layout


@cache
def layouts() -> tuple[Layout, ...]:
    """All layouts in their order."""
    modules = (importlib.import_module(f"{__name__}.{found.name}") for found in pkgutil.iter_modules(__path__))
    return tuple(sorted((m.LAYOUT for m in modules if hasattr(m, "LAYOUT")), key=lambda layout: layout.order))


def layout_of(candidate: Candidate) -> Layout:
    """The layout that a candidate is shipped in: the last that one of its components asks for.

    Raises:
        InputError: its components are of a kind, or it is of a family, that none is for.
    """
    if candidate.family.name != "stable-diffusion":
        raise InputError(f"{candidate.name}: is of the family {candidate.family.label}, which no layout is for")
    kinds = {component.kind for component in candidate.components.values()}
    known = {layout.kind: layout for layout in layouts()}
    if unknown := kinds - known.keys():
        raise InputError(f"{candidate.name}: no layout is for components of the kind {', '.join(sorted(unknown))}")
    return max((known[kind] for kind in kinds), key=lambda layout: layout.order)


def named(name: str) -> Layout | None:
    """The layout of that name; None where there is none."""
    return next((layout for layout in layouts() if layout.name == name), None)
