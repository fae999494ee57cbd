"""What is asked of a source, as all kinds of sources take it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from workbench.errors import InputError
from workbench.progress import Progress, quiet
from workbench.store.store import Store

MODEL = "model"
"""The component of a network that isn't part of a pipeline."""
DENOISER = "denoiser"
"""May be asked for in place of its name, which a family gives."""


@dataclass(frozen=True)
class Request:
    """Which source, what of it, and with which inputs.

    Attributes:
        source: ``demo``, a diffusers folder, ``hub:OWNER/NAME``, ``RUN/CANDIDATE`` of a run that the store knows,
            ``arch:NAME``, ``module:function``, or an ONNX file.
        store: where runs are looked up and exports are kept.
        component: one of the family's, or ``DENOISER``; None for all (of an architecture: the denoiser).
        shapes: of inputs by name, where they can't be known or are to be others.
        values: what all elements of an input are, by its name, instead of seeded ones.
        seed: of the inputs.
        needs: ``onnx``: networks have their ONNX file (exported where there is none) besides the torch form, if any;
            ``torch``: nothing is exported; ``count``: neither exported, nor are an architecture's weights made.
        progress: told of exports.
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
        """Raises InputError when a component is asked of something that has only one."""
        if self.component not in (None, MODEL):
            raise InputError(f"--component {self.component}: {self.source} is one network without components")
