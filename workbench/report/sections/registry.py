"""The sections of the report's page: each is declared in a folder of its own and found by scanning.

To add a section: one folder here with ``__init__.py``, which sets ``SECTION = Section(__name__, …)``, and
``section.html``, which shows what ``gather`` found as ``facts``, beside ``run`` and ``ranking``. ``section.css`` and
``section.js`` become part of the page where they exist. The page's order, navigation and anchors follow.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from workbench.report import sections as home
from workbench.report.data import RunData
from workbench.report.ranking.rank import Ranking


@dataclass(frozen=True)
class Section:
    """One section. ``title`` and ``link`` may hold fields of ``run``, ``ranking`` and ``facts``, as in ``str.format``.

    ``module`` is the ``__name__`` of the folder that declares it; ``order`` its place on the page, from low to high.
    """

    module: str
    title: str
    order: int
    gather: Callable[[RunData, Ranking], Any] = lambda run, ranking: ()
    """The facts to be shown, ready for the template; None where the section has nothing to say and is left out."""
    link: str | None = None
    """Its entry in the navigation; None: the title; empty: it has none."""
    fit: Callable[[Any, int], Any] | None = None
    """Of a section that can be cut: its facts within so many bytes, which is what the others leave of the page."""
    draws: tuple[str, ...] = ()
    """Keys of steps' reports that it draws: as text among the step's facts they would be long lists of numbers."""

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.module.rpartition(".")[2]

    @property
    def id(self) -> str:
        """The anchor."""
        return self.name.replace("_", "-")


def sections() -> list[Section]:
    """All sections in the order of the page."""
    modules = (
        importlib.import_module(f"{home.__name__}.{found.name}") for found in pkgutil.iter_modules(home.__path__)
    )
    declared = (module.SECTION for module in modules if hasattr(module, "SECTION"))
    return sorted(declared, key=lambda section: (section.order, section.name))
