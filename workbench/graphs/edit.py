"""Helpers for changing an ONNX graph."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import onnx_ir as ir


def add_initializer(model: ir.Model, name: str, array: Any) -> ir.Value:
    """Adds a constant to the graph."""
    import onnx_ir as ir

    return ir.tape.Tape(model.graph).initializer(ir.tensor(array, name=name))
