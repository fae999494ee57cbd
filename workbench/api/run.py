"""Recipes from Python: checked, run, and what a run found out as tables."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.api import tables
from workbench.errors import unknown
from workbench.progress import quiet, visible

if TYPE_CHECKING:
    import pandas as pd
    from PIL.Image import Image

    from workbench.recipe.check import CheckReport
    from workbench.run.history import Finished

Overrides = Mapping[str, Any] | Sequence[str]
"""Keys of a recipe and their values, ``{"distill.steps": 20}``; or as ``--set`` takes them, ``["distill.steps=20"]``"""


@dataclass(frozen=True, repr=False)
class Run:
    """A finished run. Reading it computes nothing; tables are pandas' own and made when they are first asked for."""

    finished: Finished

    @property
    def name(self) -> str:
        """``NAME@N``: ``load`` finds this very run by it, and the latest of the recipe by ``NAME``."""
        return self.finished.name

    @property
    def report(self) -> Path:
        """The page, one file that needs no network."""
        return self.finished.page

    @property
    def chosen(self) -> str | None:
        """The candidate to ship; None where none is within the recipe's constraints."""
        return self.finished.choice.chosen

    @property
    def reason(self) -> str:
        """Why that one, or why none."""
        return self.finished.choice.reason

    @cached_property
    def candidates(self) -> pd.DataFrame:
        """A row for each candidate, by name, in the order of the chain: parent, teacher, scheme, lineage, steps (of its
        pictures), params, size_bytes, chosen."""
        return tables.candidates(self.finished)

    @cached_property
    def scores(self) -> pd.DataFrame:
        """A row for each candidate and metric: value, low and high (95 % interval), n, unit, better (high, low one)."""
        return tables.scores(self.finished)

    @cached_property
    def profiles(self) -> pd.DataFrame:
        """A row for each candidate and target. ``latency_ms`` (median), ``latency_iqr_ms``, ``latency_p90_ms``: of a
        whole picture, over ``latency_n`` passes; ``simulated``, ``emulated``: the time says nothing of a device."""
        return tables.profiles(self.finished)

    @cached_property
    def ranking(self) -> pd.DataFrame:
        """The table of the report: a row for each candidate and target, with pareto, chosen, gain and reason."""
        return self.finished.ranking.table

    @cached_property
    def pictures(self) -> pd.DataFrame:
        """A row for each picture that a candidate drew: prompt, seed, steps, file (PNG), judged (False: of a caption
        that training saw)."""
        return tables.pictures(self.finished)

    def layers(self, candidate: str, target: str | None = None) -> pd.DataFrame:
        """The layers of a candidate on a target (default: the first): columns as in docs/profile.md.

        Raises:
            InputError: it wasn't profiled there.
        """
        data = self.finished.data
        target = target or data.targets[0]
        table = data.layer_table(target, candidate)
        if table is None:
            there = [f"{name}@{where}" for where, name in data.profiles]
            raise unknown(f"{self.name}: no profile {candidate}@{target}", f"{candidate}@{target}", there, "it has")
        return table

    def grid(self, candidates: Sequence[str] | None = None, count: int = 6) -> Image:
        """The first pictures, side by side: a row for each candidate (default: all), a column for each prompt."""
        return tables.grid(self.pictures, candidates or list(self.candidates.index), count)

    def __repr__(self) -> str:
        ship = f"ship {self.chosen}" if self.chosen else "nothing to ship"
        return f"<Run {self.name}: {', '.join(self.candidates.index)}; {ship}>"

    def _repr_html_(self) -> str:
        return tables.html(self.finished, self.ranking, None if self.pictures.empty else self.grid())


def check(
    recipe: str | Path,
    overrides: Overrides = (),
    *,
    store: str | Path | None = None,
    out: str | Path = ".",
    progress: bool = True,
) -> CheckReport:
    """Checks a recipe whole and forecasts what it takes, without starting any work.

    Args:
        recipe: a file, or the name of a recipe that comes with the package.
        overrides: values put over the recipe's.
        store: folder of results; default ``.workbench`` or ``$WORKBENCH_STORE``.
        out: folder for profiles/ and reports/.
        progress: on standard error.

    Raises:
        InputError: it can't be run; the message has every problem with file, line and key.
    """
    from workbench.recipe.check import check_recipe
    from workbench.recipe.load import load_recipe
    from workbench.store.store import Store

    loaded = load_recipe(Path(recipe), _written(overrides))
    with (visible if progress else quiet)("check", 1):
        return check_recipe(loaded, Store(store), Path(out))


def run(
    recipe: str | Path,
    overrides: Overrides = (),
    *,
    store: str | Path | None = None,
    out: str | Path = ".",
    progress: bool = True,
) -> Run:
    """Makes, scores, profiles and ranks the candidates of a recipe; what the store has is used. As ``workbench run``.

    Arguments are those of ``check``.

    Raises:
        InputError: it can't be run; nothing was started.
        RunError: the work failed; finished steps are kept and the same call goes on from there.
    """
    from workbench.run.execute import execute
    from workbench.store.store import Store

    place = Store(store)
    outcome = execute(Path(recipe), _written(overrides), place, Path(out), visible if progress else quiet)
    return load(outcome.report.stem, store=place.root)


def load(name: str, *, store: str | Path | None = None) -> Run:
    """A finished run of the store: the latest of a recipe by its name, an earlier one by ``NAME@N``.

    Raises:
        InputError: there is no such run, it isn't finished, or something of it is no longer in the store.
    """
    from workbench.run.history import finished
    from workbench.store.store import Store

    return Run(finished(Store(store), name))


def _written(overrides: Overrides) -> list[str]:
    """As ``--set`` takes them; JSON is YAML."""
    if isinstance(overrides, Mapping):
        return [f"{key}={json.dumps(value, default=str)}" for key, value in overrides.items()]
    return list(overrides)
