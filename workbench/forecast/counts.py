"""What one pass of a component takes, counted exactly from its config: no weights are read, nothing is computed."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from workbench.errors import WorkbenchError
from workbench.forecast.cost import Pass
from workbench.forecast.kept import kept
from workbench.models.families.base import Configs, Part
from workbench.models.scheduler import timesteps
from workbench.store.depends import depends_on
from workbench.store.store import Store, key_of

ALIVE = 5
"""Times what a layer writes that lives meanwhile: its input, scratch, what waits for a sum. Attention's own products
count once, since all that it writes is theirs."""


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
    about = {**parts, "code": _code("workbench.runtimes.torch.counting")}
    numbers = kept(store, about, lambda: _count(part, plain, configs, folder))
    return None if numbers is None else Pass(*numbers)


def timesteps_of(scheduler: Mapping[str, Any], steps: int, few: bool, store: Store) -> int:
    """How often a scheduler of that config asks for the denoiser; ``few``: see ``load_scheduler``."""
    about = {"scheduler": dict(scheduler), "steps": steps, "few": few, "code": _code("workbench.models.scheduler")}
    return int(kept(store, about, lambda: len(timesteps(scheduler, steps, few))))


@cache
def _code(module: str) -> str:
    """Of what counts: with other code the counts are others."""
    return str(key_of(depends_on(module)))


def _count(part: Part, config: Mapping[str, Any], configs: Configs, folder: Path | None) -> list[int] | None:
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
    return [counted.macs_with_attention, written, alive, counted.params, len(layers)]
