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
from workbench.graphs.walk import bodies, scopes

if TYPE_CHECKING:
    import onnx

INTEGER = ("QLinear", "QGemm", "QAttention", "MatMulInteger", "ConvInteger", "DynamicQuantize")
"""How the names of operators begin that multiply integers."""


@dataclass(frozen=True)
class NodeCost:
    """``weights``: elements of the constant operand, 0 for a product of two activations. ``int8``: both operands come
    from a DequantizeLinear of 8-bit integers, which is how a QDQ graph says that the product is one of int8, or the
    operator itself is one of integers."""

    node: str
    layer: str
    op: str
    macs: int
    weights: int
    int8: bool


@dataclass(frozen=True)
class Product:
    """A node that multiplies: what it is, in MACs, apart where both operands are activations, elements of its weight.

    ``why`` says why its MACs aren't known (then they are 0), "" when they are.
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
    """Values that were 8-bit integers just before; 4 and 16 bits have no kernels of integers."""
    from onnx import TensorProto

    eight = (TensorProto.INT8, TensorProto.UINT8)
    kinds = {tensor.name: tensor.data_type for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "QuantizeLinear":
            kinds[node.output[0]] = kinds.get(node.input[2], eight[1]) if len(node.input) > 2 else eight[1]
    nodes = (node for node in graph.node if node.op_type == "DequantizeLinear")
    return {node.output[0] for node in nodes if kinds.get(node.input[0], eight[0]) in eight}


def product_of(node: onnx.NodeProto, shapes: Shapes, constant: Set[str]) -> Product:
    """What a node of an operator in ``PRODUCTS`` multiplies; ``constant``: values that are the same in every pass."""
    macs = macs_of(node, shapes.shape, constant)
    if macs is None:
        return Product(node, why="of unknown shape")
    return Product(node, macs.layer, macs.pair, _weights(node, shapes, constant))


def constants(graph: onnx.GraphProto) -> set[str]:
    """Values that are the same in every pass: weights, and what is made of them alone."""
    names: set[str] = set()
    for part in scopes(graph):
        names |= {tensor.name for tensor in part.initializer}
        names |= {tensor.values.name for tensor in part.sparse_initializer}
        for node in part.node:
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
    """Where an operator that multiplies takes its weights: indices of inputs, biases not among them."""
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
        return math.prod(a.i for a in node.attribute if a.name in ("K", "N"))
    at = [i for i in weight_inputs(node) if i < len(node.input)]
    return sum(math.prod(shapes.shape.get(node.input[i], (0,))) for i in at if node.input[i] in constant)
