"""The same layer everywhere: tables of several profiles as one, ``layer × (candidate, runtime, target)``."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.errors import InputError
from workbench.store.tables import read_csv

if TYPE_CHECKING:
    import pandas as pd

KEY = ("component", "layer")
PLACES = ("candidate", "runtime", "target")
Place = tuple[str, str, str]
"""Candidate, runtime and target."""


def join(tables: Mapping[Place, pd.DataFrame]) -> pd.DataFrame:
    """One row for each layer that any table has, in the order in which they appear.

    Rows: ``(component, layer)``. Columns: ``(metric, candidate, runtime, target)``, the metrics those of the tables.
    What a table doesn't have is NaN, never zero.

    Raises:
        InputError: there is no table, or one names a layer twice.
    """
    import pandas as pd

    if not tables:
        raise InputError("there is no profile to join")
    indexed = {}
    for place, table in tables.items():
        rows = table.set_index(list(KEY))
        if not rows.index.is_unique:
            twice = rows.index[rows.index.duplicated()][0]
            raise InputError(f"{'/'.join(place)}: layer {twice[1]!r} of {twice[0]} is in it twice")
        indexed[place] = rows
    order = pd.MultiIndex.from_tuples(dict.fromkeys(key for rows in indexed.values() for key in rows.index), names=KEY)
    parts = [rows.reindex(order) for rows in indexed.values()]
    wide = pd.concat(parts, axis=1, keys=indexed, names=[*PLACES, "metric"])
    metrics = list(dict.fromkeys(metric for rows in indexed.values() for metric in rows.columns))
    wide = wide.reorder_levels(["metric", *PLACES], axis=1)
    return wide[[(metric, *place) for metric in metrics for place in indexed if metric in indexed[place].columns]]


def join_profiles(profiles: Iterable[Path]) -> pd.DataFrame:
    """``join`` of profiles' CSV files; who and where they are is read from the JSON beside each.

    Raises:
        InputError: a file isn't there, or is no profile; two profiles are of the same candidate, runtime and target.
    """
    tables: dict[Place, pd.DataFrame] = {}
    for path in profiles:
        try:
            summary = json.loads(path.with_suffix(".json").read_text())
            place = (summary["candidate"], summary["runtime"], summary["target"])
            table = read_csv(path)
            missing = {*KEY} - {*table.columns}
        except (OSError, ValueError, KeyError) as error:
            raise InputError(f"{path}: not a profile (a CSV with its JSON beside it): {error!r}") from error
        if missing:
            raise InputError(f"{path}: not a profile: it has no column {', '.join(sorted(missing))}")
        if place in tables:
            raise InputError(f"{path}: there are two profiles of {'/'.join(place)}")
        tables[place] = table
    return join(tables)


def pick(joined: pd.DataFrame, metric: str, places: Sequence[Place] | None = None) -> pd.DataFrame:
    """The columns of one metric: rows as in ``joined``, a column for each ``(candidate, runtime, target)``.

    Args:
        joined: what ``join`` returned.
        metric: a column of a profile, such as ``latency_ms``.
        places: which ones, in which order; all by default.

    Raises:
        InputError: no profile has that metric, or that place.
    """
    known = list(dict.fromkeys(joined.columns.get_level_values("metric")))
    if metric not in known:
        raise InputError(f"no profile has {metric!r}", hint=f"known: {', '.join(known)}")
    columns = joined[metric]
    absent = [place for place in places or () if place not in columns.columns]
    if absent:
        there = "; ".join("/".join(place) for place in columns.columns)
        raise InputError(f"no profile of {'/'.join(absent[0])} has {metric!r}", hint=f"there are: {there}")
    return columns if places is None else columns[list(places)]
