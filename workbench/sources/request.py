"""The request to a source, the same for all kinds of sources."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from workbench.errors import InputError
from workbench.measure.network import MODEL
from workbench.progress import Progress, quiet
from workbench.store.store import Store

DENOISER = "denoiser"
"""Can be requested instead of the family's name for it."""


@dataclass(frozen=True)
class Request:
    """A source, its component, and the inputs.

    Attributes:
        source: ``demo``, a diffusers folder, a single-file checkpoint, ``hub:OWNER/NAME``, ``RUN`` or
            ``RUN/CANDIDATE`` of a run that the store knows, ``arch:NAME``, ``module:function``, or an ONNX file.
        store: where runs are looked up and exports are stored.
        component: one of the family's, or ``DENOISER``; None for all (of an architecture: the denoiser).
        shapes: of inputs by name, where they are unknown or to be replaced.
        values: the value of all elements of an input, by its name, instead of seeded ones.
        seed: of the inputs.
        needs: ``onnx``: networks have an ONNX file (exported if needed) as well as the torch form, if any; ``torch``:
            nothing is exported; ``count``: nothing is exported, and an architecture has no weights.
        progress: of exports.
    """

    source: str
    store: Store
    component: str | None = None
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    values: Mapping[str, float] = field(default_factory=dict)
    seed: int = 0
    needs: Literal["onnx", "torch", "count"] = "onnx"
    progress: Progress = quiet

    def refuse_component(self) -> None:
        """Raises InputError when a component of a single network is requested."""
        if self.component not in (None, MODEL):
            raise InputError(f"--component {self.component}: {self.source} is one network without components")
