"""What was asked of a source, as all kinds of sources take it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from workbench.errors import InputError
from workbench.progress import Progress
from workbench.store.store import Store

MODEL = "model"
"""The component of a network that isn't part of a pipeline."""


@dataclass(frozen=True)
class Asked:
    """The arguments of ``resolve``."""

    source: str
    component: str | None
    shapes: Mapping[str, tuple[int, ...]]
    values: Mapping[str, float]
    seed: int
    needs: Literal["onnx", "torch", "count"]
    store: Store
    progress: Progress

    def refuse_component(self) -> None:
        """Raises InputError when a component is asked of something that has only one."""
        if self.component not in (None, MODEL):
            raise InputError(f"--component {self.component}: {self.source} is one network without components")
