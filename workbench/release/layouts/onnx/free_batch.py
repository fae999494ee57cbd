"""An exported graph whose batch was fixed to 1, for any batch: what stands in a row stays in its row."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from workbench.errors import RunError
from workbench.graphs.edit import reshape

if TYPE_CHECKING:
    import onnx_ir as ir

BATCH = "batch"
"""The name of the side."""
_FIXED = ("Expand", "Tile", "ConstantOfShape")
"""Operators that say a shape as Reshape does; exports of networks without branches have none that holds the batch."""


def free_batch(model: ir.Model, inputs: Collection[str]) -> None:
    """Opens the first side, which is 1, of these inputs and of all that is made from them.

    A Reshape says its whole shape, the batch included: -1 takes its place in front, and the other sides are as they
    are. That holds while the batch is the slowest side everywhere.

    Raises:
        RunError: an operator fixes the batch in another way.
    """
    import onnx_ir as ir
    from onnx_ir.passes.common import RemoveUnusedNodesPass

    known = _static(model)
    rows: set[str | None] = set()
    for value in model.graph.inputs:
        if value.name in inputs:
            rows.add(value.name)
            _open(value, value.shape)
    for node in list(model.graph):
        if node.op_type == "Shape" or not any(value is not None and value.name in rows for value in node.inputs):
            continue
        out = node.outputs[0]
        if node.op_type in _FIXED or (node.op_type == "Transpose" and _moves_first(node)):
            raise RunError(f"{node.name}: {node.op_type} fixes the batch: the graph runs with a batch of 1 only")
        if node.op_type == "Reshape":
            shape = known.get(out.name or "")
            if shape is None:
                raise RunError(f"{node.name}: the shape isn't known: the graph runs with a batch of 1 only")
            data = node.inputs[0]
            assert data is not None
            free = reshape(model, data, (-1, *shape[1:]))
            free.name, free.outputs[0].name = node.name, out.name
            free.metadata_props.update(node.metadata_props)
            model.graph.insert_before(node, free)
            ir.convenience.replace_all_uses_with(out, free.outputs[0], replace_graph_outputs=True)
            model.graph.remove(node, safe=True)
            rows.add(free.outputs[0].name)
        rows.update(value.name for value in node.outputs)
    RemoveUnusedNodesPass()(model)
    for node in model.graph:
        for value in node.outputs:
            if value.name in rows and not value.is_graph_output():
                value.shape = None  # that of a batch of 1
    for value in model.graph.outputs:
        if value.name in rows:
            _open(value, value.shape or ir.Shape(known[value.name or ""]))


def _open(value: ir.Value, shape: ir.Shape | None) -> None:
    import onnx_ir as ir

    if shape is not None:
        value.shape = ir.Shape([BATCH, *shape[1:]])


def _moves_first(node: ir.Node) -> bool:
    perm = node.attributes.get_ints("perm", ())
    return not perm or perm[0] != 0


def _static(model: ir.Model) -> dict[str, tuple[int, ...]]:
    """The shapes of values that are known, those of a batch of 1."""
    from onnx_ir.passes.common import ShapeInferencePass

    ShapeInferencePass(data_prop=True)(model)
    values = (value for node in model.graph for value in node.outputs)
    return {value.name or "": value.shape.numpy() for value in values if value.shape and value.shape.is_static()}
