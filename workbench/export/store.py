"""Exports in the store: made once per weights, code and library versions."""

from __future__ import annotations

from pathlib import Path

from workbench.export.components import spec
from workbench.export.onnx import export_component
from workbench.models.candidate import Candidate
from workbench.store.store import Store, code_hash, key_of, library_versions

_CODE = tuple(f"workbench.export.{name}" for name in ("components", "load", "names", "onnx", "verify"))
_LIBRARIES = ("torch", "onnx", "onnxscript", "onnxruntime", "diffusers", "transformers")


def stored_export(candidate: Candidate, component: str, store: Store) -> Path:
    """The ONNX file of a component: its own when it is one already, else the export of its weights.

    Two candidates that share a component's weights share its export.
    """
    own = candidate.components[component]
    if own.kind == "onnx":
        return own.path
    contract = spec(candidate, component)
    files = [own.path / "config.json", *own.path.glob("*.safetensors")]
    key = key_of(
        {
            "export": component,
            "weights": store.folder_hash(own.path, files),
            "inputs": {name: [list(shape), kind] for name, (shape, kind) in contract.inputs.items()},
            "code": code_hash(_CODE),
            "libraries": library_versions(_LIBRARIES),
        }
    )
    store.compute(key, lambda out: export_component(candidate, component, out))
    return store.folder(key) / "model.onnx"
