"""Facts that take a heavy library to find out, kept in a store that has results: a second check loads none."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from workbench.store.files import write_atomic
from workbench.store.store import Store, key_of

_found: dict[str, Any] = {}
"""By key, of this process: many recipes have the same networks."""


def kept(store: Store, about: Mapping[str, Any], find: Callable[[], Any]) -> Any:
    """What ``find`` gives (JSON; None is not kept), found once for all that is the same ``about``."""
    key, file = key_of(about), store.root / "forecast" / "counts.json"
    if key not in _found:
        known: dict[str, Any] = {}
        with suppress(OSError, ValueError, TypeError, RecursionError):
            known = dict(json.loads(file.read_bytes()))
        value = known[key] if key in known else find()
        if value is None:
            return None
        _found[key] = value
        if key not in known and (store.root / "results").is_dir():
            write_atomic(file, json.dumps({**known, key: value}))
    return _found[key]
