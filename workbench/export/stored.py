"""Exports in the store: one for each combination of weights, code and library versions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.export.onnx import export_component, export_module
from workbench.models.candidate import Candidate
from workbench.models.families.base import Spec
from workbench.models.widths import FILE as WIDTHS
from workbench.store.depends import depends_on
from workbench.store.store import Store, key_of

if TYPE_CHECKING:
    import numpy as np
    import torch


def stored_export(candidate: Candidate, component: str, store: Store, contract: Spec | None = None) -> Path:
    """The component's file if it has one, else the ONNX export of its weights.

    Candidates that share a component's weights share its export. ``contract`` replaces the component's, for inputs of
    other shapes than in its configs.
    """
    entry = candidate.components[component]
    if entry.kind != "torch":
        return entry.path
    contract = contract or candidate.spec(component)
    files = [entry.path / "config.json", *entry.path.glob(WIDTHS), *entry.path.glob("*.safetensors")]
    key = key_of(
        {
            "export": component,
            "weights": store.folder_hash(entry.path, files),
            "inputs": {name: [list(shape), kind] for name, (shape, kind) in contract.inputs.items()},
            **depends_on(export_component),
        }
    )
    store.compute(key, lambda out: export_component(candidate, component, out, contract))
    return store.folder(key) / "model.onnx"


def stored_module_export(
    make: Callable[[], torch.nn.Module],
    feed: Mapping[str, np.ndarray],
    made_of: Mapping[str, Any],
    store: Store,
    wrapper: str,
    least_db: float,
) -> Path:
    """The ONNX file of a module that isn't a pipeline's component.

    ``made_of`` is what the module's code and weights depend on, as JSON: part of the key, as the shapes and types of
    ``feed``. The rest is as for ``export_module``.
    """
    key = key_of(
        {
            "export": dict(made_of),
            "inputs": {name: [list(value.shape), str(value.dtype)] for name, value in feed.items()},
            **depends_on(export_module),
        }
    )
    store.compute(key, lambda out: export_module(make, feed, None, out, wrapper, least_db))
    return store.folder(key) / "model.onnx"
