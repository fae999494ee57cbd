"""What one pass of a component takes, counted exactly from its config: no weights are read, nothing is computed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import astuple
from pathlib import Path
from typing import Any

from workbench.errors import WorkbenchError
from workbench.forecast.cost import Pass
from workbench.models.families.base import Configs, Part
from workbench.store.depends import depends_on
from workbench.store.files import write_atomic
from workbench.store.store import Store, key_of

ALIVE = 5
"""Times what a layer writes that lives meanwhile: its input, scratch, what waits for a sum. Attention's own products
count once, since all that it writes is theirs."""
_counted: dict[str, Pass] = {}
"""By key, of this process: many recipes have the same networks."""


def pass_of(part: Part, config: Mapping[str, Any], configs: Configs, folder: Path | None, store: Store) -> Pass | None:
    """One pass of a component of that config at batch 1; None where it can't be counted.

    Args:
        configs: of all components of its pipeline, itself among them.
        folder: where files beside the config may say more of it.
        store: keeps the counts, if it has results at all.
    """
    plain = {name: value for name, value in config.items() if not name.startswith("_") or name == "_class_name"}
    beside = sorted(f"{f.name} {f.stat().st_mtime_ns}" for f in folder.glob("*.json")) if folder else []
    parts = {"part": part.name, "config": plain, "inputs": repr(part.spec(configs).inputs), "beside": beside}
    key = key_of({**parts, "code": depends_on("workbench.runtimes.torch.counting")["code"]})
    file = store.root / "forecast" / "counts.json"
    if key not in _counted:
        known: dict[str, Any] = {}
        with suppress(OSError, ValueError, TypeError):
            known = json.loads(file.read_bytes())
            _counted.update({name: Pass(*numbers) for name, numbers in known.items()})
        if key not in _counted:
            counted = _count(part, plain, configs, folder)
            if counted is None:
                return None
            _counted[key] = counted
            if (store.root / "results").is_dir():
                write_atomic(file, json.dumps({**known, key: astuple(counted)}))
    return _counted[key]


def _count(part: Part, config: Mapping[str, Any], configs: Configs, folder: Path | None) -> Pass | None:
    import torch

    from workbench.graphs.quiet import quiet
    from workbench.runtimes.torch.macs import count

    try:
        with quiet():
            module = part.module(part.empty(dict(config), folder))
            feed = part.spec(configs).seeded().values()
            counted = count(module, *(torch.from_numpy(value).to("meta") for value in feed))
    except (WorkbenchError, TypeError, ValueError, RuntimeError, KeyError, AttributeError):
        return None
    layers = counted.layers
    alive = max((each.activation_bytes * (1 if each.attention_macs else ALIVE) for each in layers), default=0)
    written = sum(each.activation_bytes for each in layers)
    return Pass(counted.macs_with_attention, written, alive, counted.params, len(layers))
