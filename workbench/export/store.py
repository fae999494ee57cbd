"""Exports in the store: made once per weights, code and library versions."""

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
    """The file of a component: its own when it is one already, else the ONNX export of its weights.

    Two candidates that share a component's weights share its export. ``contract`` replaces the component's own, where
    inputs have other shapes than its configs say.
    """
    own = candidate.components[component]
    if own.kind != "torch":
        return own.path
    contract = contract or candidate.spec(component)
    files = [own.path / "config.json", *own.path.glob(WIDTHS), *own.path.glob("*.safetensors")]
    key = key_of(
        {
            "export": component,
            "weights": store.folder_hash(own.path, files),
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

    Args:
        make: as ``export_module`` takes it.
        feed: inputs by name; their shapes and types are part of the key.
        made_of: what the module's code and weights depend on, as JSON: the key.
        store: where the export lies.
        wrapper: the attribute of the module that holds the component.
        least_db: least agreement with PyTorch.
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
