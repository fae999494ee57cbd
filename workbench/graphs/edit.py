"""Helpers for changing an ONNX graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import onnx_ir as ir


def add_initializer(model: ir.Model, name: str, array: Any) -> ir.Value:
    """Adds a constant to the graph."""
    import onnx_ir as ir

    return ir.tape.Tape(model.graph).initializer(ir.tensor(array, name=name))


def reshape(model: ir.Model, value: ir.Value, shape: Sequence[int]) -> ir.Node:
    """A Reshape of ``value``, not in the graph yet; those to one shape share the constant that says it."""
    import numpy as np
    import onnx_ir as ir

    name = "shape_" + "x".join(map(str, shape))
    target = model.graph.initializers.get(name)
    if target is None:
        target = add_initializer(model, name, np.array(shape, np.int64))
    return ir.node("Reshape", [value, target])
