"""What a runtime offers to the profiler, and the list of those there are. A runtime is one file."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from workbench.models.candidate import Candidate
from workbench.profile.clock import Stats
from workbench.profile.layers import Layers
from workbench.profile.macs import Count

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Unit:
    """One component of one candidate as a runtime takes it: a file or folder, and seeded inputs by name (batch 1)."""

    candidate: Candidate
    component: str
    path: Path
    feed: Mapping[str, np.ndarray]

    @property
    def label(self) -> str:
        """``candidate.component``, for messages and progress."""
        return f"{self.candidate.name}.{self.component}"

    @property
    def identity(self) -> tuple[str, str]:
        """Equal for units that are the same network: they are measured once."""
        return self.component, str(self.path.resolve())

    @property
    def scheme(self) -> str:
        """The scheme of this component."""
        return self.candidate.components[self.component].scheme


@dataclass(frozen=True)
class Timed:
    """What the clock found for one unit: passes, and in ms the first load from disk, the second, and the first call."""

    stats: Stats
    load_cold_ms: float
    load_warm_ms: float
    first_call_ms: float


@dataclass(frozen=True)
class Measured:
    """All that is known of one unit on one runtime; ``shared_with`` is the unit whose figures these are."""

    unit: Unit
    timed: Timed
    layers: Layers
    count: Count
    shared_with: str | None = None


class Runtime(Protocol):
    """One place to run a component on this machine."""

    name: str
    target: str

    def path(self, candidate: Candidate, component: str, onnx: Mapping[str, Path]) -> Path | None:
        """What this runtime loads for a component, or None when the candidate can't run here."""

    def files(self, unit: Unit) -> list[Path]:
        """The files that loading reads."""

    def load(self, unit: Unit, threads: int) -> Callable[[], object]:
        """Loads the unit; the function that comes back runs one pass. Loaded memory is freed with it."""

    def layers(self, unit: Unit, counted: Count, threads: int, warmup: int, iterations: int) -> Layers:
        """The per-layer pass, in a session of its own."""


_RUNTIMES = {
    "onnxruntime": ("workbench.profile.on_onnxruntime", "OnnxRuntime"),
    "torch": ("workbench.profile.on_torch", "TorchEager"),
}


def runtime(name: str) -> Runtime:
    """The runtime that a recipe names; KeyError for an unknown one (the recipe's schema has refused it before)."""
    module, cls = _RUNTIMES[name]
    made: Runtime = getattr(importlib.import_module(module), cls)()
    return made
