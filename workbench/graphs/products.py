"""Multiply-accumulates of single ONNX nodes, by kind of operator, from the shapes of their operands.

Definitions: the operator pages of ONNX and of ONNX Runtime's ``com.microsoft`` domain. Causal and padding masks don't
reduce the count: the full product is counted, as for PyTorch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workbench.graphs.einsum import einsum_macs
from workbench.graphs.shapes import Shape
from workbench.graphs.walk import attribute

if TYPE_CHECKING:
    import onnx

Sides = Mapping[str, Shape]


@dataclass(frozen=True)
class Macs:
    """Multiply-accumulates of one node: ``layer`` of a convolution or with a constant (a weight), ``pair`` of two
    activations."""

    layer: int = 0
    pair: int = 0


class Unknown(Exception):
    """A shape that the count needs isn't known."""


def macs_of(node: onnx.NodeProto, shapes: Sides, constant: Set[str]) -> Macs | None:
    """The multiply-accumulates of a matrix product or convolution; None when its shapes aren't known.

    ``constant`` are values that are the same in every pass.

    Raises:
        KeyError: ``node.op_type`` isn't in ``PRODUCTS``.
    """
    count = PRODUCTS[node.op_type]
    try:
        return count(_Node(node, shapes, constant))
    except (Unknown, LookupError, ArithmeticError, TypeError, ValueError):  # operands or attributes don't fit it
        return None


class _Node:
    """A node's shapes and attributes, as the formulas use them."""

    def __init__(self, node: onnx.NodeProto, shapes: Sides, constant: Set[str]) -> None:
        self.node, self.shapes, self._constant = node, shapes, constant

    def is_constant(self, at: int) -> bool:
        return self.has(at) and self.node.input[at] in self._constant

    def product(self, macs: int, weight: int) -> Macs:
        """A product of the first input and the one at ``weight``."""
        return Macs(layer=macs) if self.is_constant(0) or self.is_constant(weight) else Macs(pair=macs)

    def has(self, at: int) -> bool:
        return at < len(self.node.input) and bool(self.node.input[at])

    def input(self, at: int) -> Shape:
        if not self.has(at) or self.node.input[at] not in self.shapes:
            raise Unknown
        return self.shapes[self.node.input[at]]

    def output(self, at: int = 0) -> Shape:
        if at >= len(self.node.output) or self.node.output[at] not in self.shapes:
            raise Unknown
        return self.shapes[self.node.output[at]]

    def attribute(self, name: str, default: Any = 0) -> Any:
        return attribute(self.node, name, default)


def _conv(weight: int) -> Callable[[_Node], Macs]:
    return lambda n: Macs(math.prod(n.output()) * math.prod(n.input(weight)[1:]))


def _conv_transpose(n: _Node) -> Macs:
    return Macs(math.prod(n.input(0)) * math.prod(n.input(1)[1:]))


def _gemm(weight: int) -> Callable[[_Node], Macs]:
    def macs(n: _Node) -> Macs:
        return n.product(math.prod(n.output()) * n.input(0)[0 if n.attribute("transA") else 1], weight)

    return macs


def _matmul(weight: int) -> Callable[[_Node], Macs]:
    return lambda n: n.product(math.prod(n.output()) * n.input(0)[-1], weight)


def _fused_matmul(n: _Node) -> Macs:
    left = n.input(0)
    if not n.attribute("transA") or len(left) == 1:
        inner = left[-1]
    else:
        inner = left[0] if n.attribute("transBatchA") else left[-2]
    return n.product(math.prod(n.output()) * inner, 1)


def _einsum(n: _Node) -> Macs:
    every = range(len(n.node.input))
    equation = n.attribute("equation", b"").decode()
    return Macs(*einsum_macs(equation, [n.input(i) for i in every], [n.is_constant(i) for i in every]))


def _recurrent(n: _Node) -> Macs:
    steps_and_batch = math.prod(n.input(0)[:2])
    return Macs(steps_and_batch * (math.prod(n.input(1)) + math.prod(n.input(2))))


def _attention(n: _Node) -> Macs:
    """ONNX ``Attention``: 4-D (batch, heads, length, size) or 3-D (batch, length, heads·size); past keys before K."""
    query, key, value = n.input(0), n.input(1), n.input(2)
    past = n.input(4)[2] if n.has(4) else 0
    if len(query) == 4:
        heads, queries, keys = query[1], query[2], key[2] + past
        return Macs(pair=query[0] * heads * queries * keys * (query[3] + value[3]))
    heads, kv_heads = n.attribute("q_num_heads"), n.attribute("kv_num_heads")
    if not heads or not kv_heads:
        raise Unknown
    sizes = query[2] // heads + value[2] // kv_heads
    return Macs(pair=query[0] * heads * query[1] * (key[1] + past) * sizes)


def _multi_head_attention(n: _Node) -> Macs:
    """``com.microsoft.MultiHeadAttention``: query (batch, length, hidden) or all three packed in five axes."""
    query = n.input(0)
    if len(query) == 5:  # batch, length, heads, 3, size
        batch, length, heads, _, size = query
        return Macs(pair=2 * batch * heads * length * length * size)
    past = n.input(6)[2] if n.has(6) else 0
    key = n.input(1)
    if len(key) == 5:  # batch, length, heads, 2, size
        keys, values = key[1], key[2] * key[4]
    else:
        keys = key[2] if len(key) == 4 else key[1]
        value = n.input(2)
        values = value[1] * value[3] if len(value) == 4 else value[2]
    return Macs(pair=query[0] * query[1] * (keys + past) * (query[2] + values))


def _grouped_attention(n: _Node) -> Macs:
    """``com.microsoft.GroupQueryAttention``: the keys are the complete cache, whose length is in the output."""
    batch, length, hidden = n.input(0)
    heads, kv_heads = n.attribute("num_heads"), n.attribute("kv_num_heads")
    if not n.has(1):  # query, key and value packed into one
        hidden = hidden * heads // (heads + 2 * kv_heads)
    if len(n.node.output) > 1 and n.node.output[1] in n.shapes:
        keys = n.output(1)[2]
    else:
        keys = length + (n.input(3)[2] if n.has(3) else 0)
    return Macs(pair=2 * batch * length * keys * hidden)


def _projected_attention(n: _Node) -> Macs:
    """``com.microsoft.Attention`` and ``QAttention``: the three projections by one weight, then the products."""
    (batch, length, _), weight = n.input(0), n.input(1)
    sizes = n.attribute("qkv_hidden_sizes", None) or [weight[1] // 3] * 3
    past = n.input(4)[3] if n.node.op_type == "Attention" and n.has(4) else 0
    products = batch * length * (length + past) * (sizes[1] + sizes[2])
    return Macs(batch * length * math.prod(weight), products)


def _attention_of_either_domain(n: _Node) -> Macs:
    return _projected_attention(n) if n.node.domain == "com.microsoft" else _attention(n)


PRODUCTS: Mapping[str, Callable[[_Node], Macs]] = {
    **dict.fromkeys(("Conv", "ConvInteger", "FusedConv", "NhwcFusedConv", "DeformConv"), _conv(1)),
    "QLinearConv": _conv(3),
    **dict.fromkeys(("ConvTranspose", "ConvTransposeWithDynamicPads"), _conv_transpose),
    **dict.fromkeys(("MatMul", "MatMulInteger", "MatMulIntegerToFloat", "DynamicQuantizeMatMul"), _matmul(1)),
    **dict.fromkeys(("MatMulNBits", "MatMulBnb4", "GemmFloat8", "GemmFastGelu"), _matmul(1)),
    **dict.fromkeys(("FusedMatMul", "TransposeMatMul", "FusedMatMulActivation"), _fused_matmul),
    "QLinearMatMul": _matmul(3),
    **dict.fromkeys(("Gemm", "FusedGemm"), _gemm(1)),
    "QGemm": _gemm(3),
    "Einsum": _einsum,
    **dict.fromkeys(("LSTM", "GRU", "RNN", "DynamicQuantizeLSTM"), _recurrent),
    "Attention": _attention_of_either_domain,
    "QAttention": _projected_attention,
    "MultiHeadAttention": _multi_head_attention,
    "GroupQueryAttention": _grouped_attention,
}
"""Operators whose multiply-accumulates are counted, with their formulas."""
