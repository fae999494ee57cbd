"""Helpers for changing an ONNX graph."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import onnx_ir as ir


def add_initializer(model: ir.Model, name: str, array: Any) -> ir.Value:
    """Adds a constant to the graph."""
    import onnx_ir as ir

    tensor = ir.tensor(array, name=name)
    kind, shape = ir.TensorType(tensor.dtype), ir.Shape(list(array.shape))
    value = ir.Value(name=name, const_value=tensor, type=kind, shape=shape)
    model.graph.register_initializer(value)
    return value
