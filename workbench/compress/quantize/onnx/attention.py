"""Attention's own two products, q·kᵀ and p·v, in integers; the softmax's output may have more bits than the rest.

Most of a softmax's values are near zero, where 8 bits over 0 … 1 leave a few steps: Q-Diffusion (arXiv 2302.04304)
gives it 16. Its range is 0 … 1 by definition, so nothing is measured.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from workbench.compress.quantize.onnx.write_activations import quantized_pair, raise_opset
from workbench.compress.quantize.weights.grid import Activation
from workbench.graphs.names import layer_of, name_new

if TYPE_CHECKING:
    import onnx_ir as ir

_BEFORE = {"Add", "Mul", "Div", "Cast", "Where", "Reshape"}
"""What may stand between q·kᵀ and its softmax: scale and mask."""
_AFTER = {"Cast", "Where", "Reshape", "QuantizeLinear", "DequantizeLinear"}
"""What may stand between a softmax and its product: a guard against rows that are masked throughout."""


@dataclass(frozen=True)
class Product:
    """One of an attention's products: ``scores`` (q·kᵀ) or ``values`` (softmax·v), with its node and operands."""

    layer: str
    kind: Literal["scores", "values"]
    node: str
    left: str
    right: str

    @property
    def tensors(self) -> tuple[str, ...]:
        """The operands whose ranges have to be measured; the softmax's output isn't among them."""
        return (self.left, self.right) if self.kind == "scores" else (self.right,)


def attention_products(model: ir.Model) -> list[Product]:
    """The attention products of a graph: MatMul of two computed tensors, before or after a Softmax."""
    return [
        Product(layer_of(node.name or ""), kind, node.name or "", node.inputs[0].name or "", node.inputs[1].name or "")
        for node in model.graph
        if node.inputs and node.op_type == "MatMul"
        if node.inputs[0] is not None and node.inputs[1] is not None
        if (kind := _kind(node)) is not None
    ]


def quantize_attention(model: ir.Model, ranges: Mapping[str, tuple[float, float]], bits: int, softmax_bits: int) -> int:
    """Puts QuantizeLinear and DequantizeLinear on the operands of every attention product; returns their number.

    Unsigned integers, one scale a tensor. The graph becomes one of opset 21, the first with 16-bit integers.

    Args:
        model: changed in place.
        ranges: (low, high) of every tensor that ``attention_products`` names.
        bits: 8 or 16, of q, k and v.
        softmax_bits: 8 or 16, of the softmax's output.
    """
    raise_opset(model)
    nodes = {node.name: node for node in model.graph}
    added: dict[ir.Node, str] = {}
    products = attention_products(model)
    for product in products:
        node = nodes[product.node]
        for index, name in enumerate((product.left, product.right)):
            softmax = product.kind == "values" and index == 0
            grid = Activation(0.0, 1.0, softmax_bits) if softmax else Activation(*ranges[name], bits)
            value = node.inputs[index]
            assert value is not None
            pair = quantized_pair(model, value, grid, f"{node.name}:{index}")
            model.graph.insert_before(node, pair)
            node.replace_input_with(index, pair[1].outputs[0])
            added.update(dict.fromkeys(pair, product.layer))
    name_new(model, added)
    return len(products)


def _kind(node: ir.Node) -> Literal["scores", "values"] | None:
    left, right = node.inputs
    if left is None or right is None or left.const_value is not None or right.const_value is not None:
        return None
    if _from_softmax(left):
        return "values"
    return "scores" if _to_softmax(node.outputs[0]) else None


def _from_softmax(value: ir.Value) -> bool:
    producer = value.producer()
    if producer is None:
        return False
    if producer.op_type == "Softmax":
        return True
    return producer.op_type in _AFTER and any(_from_softmax(v) for v in producer.inputs if v is not None)


def _to_softmax(value: ir.Value) -> bool:
    users = [use.node for use in value.uses()]
    return any(
        user.op_type == "Softmax" or (user.op_type in _BEFORE and _to_softmax(user.outputs[0])) for user in users
    )
