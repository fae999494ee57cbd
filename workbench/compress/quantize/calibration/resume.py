"""Where a calibration goes on after a kill: what was folded in of the prompts that are done."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from workbench.store.files import replacing

if TYPE_CHECKING:
    import numpy as np

EVERY_S, TIMES = 20.0, 20
"""Seconds between two states at least, and times what writing the last one took: second moments may be gigabytes."""


class Folded(Protocol):
    """What passes are folded into."""

    def state(self) -> Mapping[str, np.ndarray]:
        """All of it, as arrays by name."""

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Becomes what ``state`` was taken of."""


class Checkpoint:
    """``file`` holds the state of ``parts`` after some inputs."""

    def __init__(self, file: Path, parts: Mapping[str, Folded]) -> None:
        self._file, self._parts = file, parts
        self._last, self._took = time.monotonic(), 0.0

    def restore(self) -> int:
        """How many inputs are folded in already; the parts are as they were then."""
        from safetensors import safe_open

        if not self._file.is_file():
            return 0
        with safe_open(self._file, "np") as saved:
            arrays = {name: saved.get_tensor(name) for name in saved.keys()}  # noqa: SIM118  (it isn't a mapping)
            done = int(saved.metadata()["done"])
        for prefix, part in self._parts.items():
            own = {name.removeprefix(f"{prefix}:"): a for name, a in arrays.items() if name.startswith(f"{prefix}:")}
            part.restore(own)
        return done

    def keep(self, done: int) -> None:
        """Writes the state after ``done`` inputs, where the last one is long enough ago."""
        from safetensors.numpy import save_file

        start = time.monotonic()
        if start - self._last < max(EVERY_S, TIMES * self._took):
            return
        arrays = {f"{prefix}:{name}": a for prefix, part in self._parts.items() for name, a in part.state().items()}
        with replacing(self._file) as file:
            save_file(arrays, file, metadata={"done": str(done)})
        self._last = time.monotonic()
        self._took = self._last - start
