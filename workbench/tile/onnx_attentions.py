"""The attentions of an ONNX graph: q·kᵀ, the nodes up to the softmax, and the product with v.

Found by structure, independent of the exporter: two products of computed tensors with a softmax over the last axis
between them. An attention that is a single operator (``Attention`` of opset 23, a runtime's) isn't among them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from workbench.graphs.names import layer_of
from workbench.tile.attentions import Attention

if TYPE_CHECKING:
    import onnx_ir as ir

_ROW_WISE = {
    *("Add", "Sub", "Mul", "Div", "Min", "Max", "Clip", "Cast", "Where", "IsNaN", "Not", "And", "Or", "Identity"),
    *("QuantizeLinear", "DequantizeLinear", "Softmax"),
}
"""Operators between the two products whose result depends, row by row, only on the same row of their input."""


@dataclass(frozen=True)
class Region:
    """An attention's nodes: ``scores`` and ``values`` are its products, ``inner`` those between, in order of the graph.

    ``shapes``: the known shapes of its values and of its inputs.
    """

    attention: Attention
    scores: ir.Node
    inner: tuple[ir.Node, ...]
    values: ir.Node
    shapes: Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class GraphAttentions:
    """The attentions of a graph in its order, and by node why one was left out."""

    regions: tuple[Region, ...]
    left_out: Mapping[str, str]


def find(model: ir.Model, shapes: Mapping[str, tuple[int, ...]]) -> GraphAttentions:
    """The attentions of a graph; ``shapes``: of its values, by name."""
    order = {node: i for i, node in enumerate(model.graph)}
    regions, left_out = list[Region](), dict[str, str]()
    for node in model.graph:
        region = _region(node, order, shapes) if _multiplies(node) else None
        if isinstance(region, str):
            left_out[node.name or node.outputs[0].name or ""] = region
        elif region is not None:
            regions.append(region)
    return GraphAttentions(tuple(regions), left_out)


def shapes_of(path: Path, inputs: Mapping[str, tuple[int, ...]]) -> dict[str, tuple[int, ...]]:
    """The shapes of all values of a file, constants among them, for ``inputs`` of these shapes."""
    from workbench.graphs.read import read_model
    from workbench.graphs.shapes import resolve

    return dict(resolve(read_model(path), inputs).shape)


def file_attentions(path: Path, inputs: Mapping[str, tuple[int, ...]]) -> tuple[list[Attention], Mapping[str, str]]:
    """The attentions of a file for ``inputs`` of these shapes, and by node why others were left out."""
    import onnx_ir as ir

    from workbench.graphs.plain import plain
    from workbench.graphs.read import read_model
    from workbench.graphs.standard import make_dense

    model = plain(read_model(path), path)
    make_dense(model.graph)
    attentions = find(ir.from_proto(model), shapes_of(path, inputs))
    return [region.attention for region in attentions.regions], attentions.left_out


def _multiplies(node: ir.Node) -> bool:
    """Whether a node is a product of two computed tensors."""
    return node.op_type == "MatMul" and all(value is not None and value.const_value is None for value in node.inputs)


def _region(
    scores: ir.Node, order: Mapping[ir.Node, int], shapes: Mapping[str, tuple[int, ...]]
) -> Region | str | None:
    """The attention that begins with a product; or why it can't be cut or modelled; None where no softmax follows."""
    inner: set[ir.Node] = set()
    ends: set[ir.Node] = set()
    strays: list[str] = []
    queue = [scores]
    for node in queue:  # grows during the iteration
        for result in node.outputs:
            strays += ["they are an output of the graph"] if result.is_graph_output() else []
            for user, index in result.uses():
                if user.op_type == "MatMul" and index == 0:
                    ends.add(user)
                elif user.op_type not in _ROW_WISE:
                    strays.append(f"they go to a {user.op_type}")
                elif user not in inner:
                    inner.add(user)
                    queue.append(user)
    softmax = [node for node in inner if node.op_type == "Softmax"]
    if not softmax:
        return None
    if strays or len(ends) != 1 or len(softmax) != 1:
        why = strays[0] if strays else f"they go to {len(softmax)} softmax and {len(ends)} products"
        return f"its scores can't be cut: {why}"
    (values,) = ends
    output = scores.outputs[0].name or ""
    query, key, value = (shapes.get(v.name or "") if v else None for v in (*scores.inputs, values.inputs[1]))
    full = shapes.get(output)
    if query is None or key is None or value is None or full is None:
        return "its shapes aren't known"
    if not query[:-2] == key[:-2] == value[:-2] == full[:-2] or len(full) < 2:
        return "its products broadcast"
    axis = softmax[0].attributes.get_int("axis", -1)
    if axis not in (-1, len(full) - 1):
        return f"its softmax is over axis {axis}"
    layer = layer_of(scores.name) if scores.name else output
    kind: Literal["cross", "unknown"] = "unknown" if full[-2] == full[-1] else "cross"
    attention = Attention(layer, kind, math.prod(full[:-2]), full[-2], full[-1], query[-1], value[-1])
    return Region(attention, scores, tuple(sorted(inner, key=order.__getitem__)), values, shapes)
