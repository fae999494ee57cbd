"""Facts that take a heavy library to find out, kept in a store that has results: a second check loads none."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from workbench.store.files import read_sealed, write_sealed
from workbench.store.store import Store, key_of

_found: dict[str, Any] = {}
"""By key, of this process: many recipes have the same networks."""
_there: set[tuple[Path, str]] = set()
"""Which of them lie in which file."""


def kept(store: Store, about: Mapping[str, Any], find: Callable[[], Any]) -> Any:
    """What ``find`` gives (JSON; None is not kept), found once for all that is the same ``about``."""
    key, file = key_of(about), store.root / "forecast" / "found.json"
    if key in _found and (file, key) in _there:
        return _found[key]
    known = read_sealed(file) or {}
    value = known[key] if key in known else _found[key] if key in _found else find()
    if value is None:
        return None
    _found[key] = value
    if key not in known and (store.root / "results").is_dir():
        write_sealed(file, {**known, key: value})
        known = {**known, key: value}
    if key in known:
        _there.add((file, key))
    return value
