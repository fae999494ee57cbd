"""Multiply-accumulates and weights of an ONNX graph, node by node, and which of them run in int8."""

from __future__ import annotations

import math
from collections.abc import Set
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.graphs.names import layer_of
from workbench.graphs.products import PRODUCTS, macs_of
from workbench.graphs.read import read_model
from workbench.graphs.shapes import Shapes, resolve
from workbench.graphs.walk import attribute, bodies, scopes

if TYPE_CHECKING:
    import onnx

INTEGER = ("QLinear", "QGemm", "QAttention", "MatMulInteger", "ConvInteger", "DynamicQuantize")
"""Prefixes of the operators that multiply integers."""


@dataclass(frozen=True)
class NodeCost:
    """``weights``: elements of the constant operand, 0 for a product of two activations. ``int8``: both operands come
    from a DequantizeLinear of 8-bit integers, which in a QDQ graph means an int8 product, or the operator itself
    multiplies integers."""

    node: str
    layer: str
    op: str
    macs: int
    weights: int
    int8: bool


@dataclass(frozen=True)
class Product:
    """A node that multiplies, its MACs (separately where both operands are activations) and elements of its weight.

    ``why``: the reason why its MACs are unknown (then they are 0), "" when they are known.
    """

    node: onnx.NodeProto
    macs: int = 0
    attention_macs: int = 0
    weights: int = 0
    why: str = ""


def node_costs(model: Path | onnx.ModelProto) -> list[NodeCost]:
    """The cost of every node that multiplies matrices or convolves; shapes must be static. Weights aren't read."""
    proto = read_model(model) if isinstance(model, Path) else model
    shapes, constant = resolve(proto), constants(proto.graph)
    eight = dequantized(proto.graph)
    products = (product_of(n, shapes, constant) for n in proto.graph.node if n.op_type in PRODUCTS)
    return [
        NodeCost(
            product.node.name,
            layer_of(product.node.name),
            product.node.op_type,
            product.macs + product.attention_macs,
            product.weights,
            eight.issuperset(product.node.input[:2]) or product.node.op_type.startswith(INTEGER),
        )
        for product in products
        if not product.why
    ]


def dequantized(graph: onnx.GraphProto) -> set[str]:
    """Values dequantized from 8-bit integers; 4 and 16 bits have no integer kernels."""
    from onnx import TensorProto

    eight = (TensorProto.INT8, TensorProto.UINT8)
    kinds = {tensor.name: tensor.data_type for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "QuantizeLinear":
            kinds[node.output[0]] = kinds.get(node.input[2], eight[1]) if len(node.input) > 2 else eight[1]
    dequantizers = (node for node in graph.node if node.op_type == "DequantizeLinear")
    return {node.output[0] for node in dequantizers if kinds.get(node.input[0], eight[0]) in eight}


def product_of(node: onnx.NodeProto, shapes: Shapes, constant: Set[str]) -> Product:
    """The product of a node whose operator is in ``PRODUCTS``; ``constant``: values that are the same in every pass."""
    macs = macs_of(node, shapes.shape, constant)
    if macs is None:
        return Product(node, why="of unknown shape")
    return Product(node, macs.layer, macs.pair, _weights(node, shapes, constant))


def constants(graph: onnx.GraphProto) -> set[str]:
    """Values that are the same in every pass: weights, and values computed from them only."""
    names: set[str] = set()
    for scope in scopes(graph):
        names |= {tensor.name for tensor in scope.initializer}
        names |= {tensor.values.name for tensor in scope.sparse_initializer}
        for node in scope.node:
            if all(value in names for value in node.input if value) and not bodies(node):
                names |= {value for value in node.output if not node.op_type.startswith("Random")}
    return names


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


def weight_inputs(node: onnx.NodeProto) -> tuple[int, ...]:
    """The inputs of a multiplying operator that are weights, by index; without biases."""
    kind = node.op_type
    if kind in ("LSTM", "GRU", "RNN", "DynamicQuantizeLSTM"):
        return 1, 2
    if kind in ("QLinearConv", "QLinearMatMul", "QGemm"):
        return (3,)
    if kind in ("MultiHeadAttention", "GroupQueryAttention") or (kind == "Attention" and not node.domain):
        return ()
    if kind in ("MatMul", "FusedMatMul", "TransposeMatMul"):
        return 1, 0
    return tuple(range(len(node.input))) if kind == "Einsum" else (1,)


def _weights(node: onnx.NodeProto, shapes: Shapes, constant: Set[str]) -> int:
    if node.op_type == "MatMulNBits":  # its weight is packed
        return attribute(node, "K") * attribute(node, "N")
    at = [i for i in weight_inputs(node) if i < len(node.input)]
    return sum(math.prod(shapes.shape.get(node.input[i], (0,))) for i in at if node.input[i] in constant)
