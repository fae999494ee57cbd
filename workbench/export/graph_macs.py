"""Multiply-accumulates and weights of an ONNX graph, node by node, and which of them run in int8."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.export.names import layer_of

if TYPE_CHECKING:
    import onnx

COUNTED = ("Conv", "Gemm", "MatMul")


@dataclass(frozen=True)
class NodeCost:
    """``weights``: elements of the constant operand, 0 for a product of two activations. ``int8``: both operands come
    from a DequantizeLinear, which is how a QDQ graph says that the product is one of integers."""

    node: str
    layer: str
    op: str
    macs: int
    weights: int
    int8: bool


def node_costs(model: Path | onnx.ModelProto) -> list[NodeCost]:
    """The cost of every Conv, Gemm and MatMul; batch 1, static shapes. Large weights aren't read."""
    import onnx

    proto = onnx.load(model, load_external_data=False) if isinstance(model, Path) else model
    graph = proto.graph
    shapes = {i.name: list(i.dims) for i in graph.initializer}
    known = {v.name for v in (*graph.value_info, *graph.input, *graph.output)} | shapes.keys()
    if any(name and name not in known for node in graph.node for name in (*node.input, *node.output)):
        graph = onnx.shape_inference.infer_shapes(proto).graph
    for value in (*graph.value_info, *graph.input, *graph.output):
        shapes[value.name] = [d.dim_value for d in value.type.tensor_type.shape.dim]
    dequantized = {node.output[0]: node.input[0] for node in graph.node if node.op_type == "DequantizeLinear"}
    constants = {i.name for i in graph.initializer}
    costs = []
    for node in graph.node:
        if node.op_type not in COUNTED:
            continue
        left, right = node.input[0], node.input[1]
        constant = dequantized.get(right, right) in constants
        shape, out = shapes[right], shapes[node.output[0]]
        if node.op_type == "Conv":
            per_output = math.prod(shape[1:])
        else:
            per_output = shapes[left][0] if _transposed(node) else shapes[left][-1]
        costs.append(
            NodeCost(
                node.name,
                layer_of(node.name),
                node.op_type,
                math.prod(out) * per_output,
                math.prod(shape) if constant else 0,
                left in dequantized and right in dequantized,
            )
        )
    return costs


def int8_shares(costs: list[NodeCost]) -> dict[str, float]:
    """Shares (0…1) that run in int8: of MACs of convolutions and linears, of all MACs, of weights."""
    layers = [c for c in costs if c.weights]

    def share(rows: list[NodeCost], what: str) -> float:
        total = sum(getattr(c, what) for c in rows)
        return sum(getattr(c, what) for c in rows if c.int8) / total if total else 0.0

    return {
        "macs": share(layers, "macs"),
        "macs_with_attention": share(costs, "macs"),
        "weights": share(layers, "weights"),
    }


def _transposed(node: onnx.NodeProto) -> bool:
    return any(a.name == "transA" and a.i for a in node.attribute)
