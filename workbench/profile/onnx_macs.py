"""Multiply-accumulates of an ONNX graph, node by node, from its shapes alone: nothing is run, weights are not read."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.errors import InputError
from workbench.profile.attribution import UNMAPPED, Names, attribute
from workbench.profile.macs import Count, LayerCount

PRODUCTS = (
    "Conv",
    "ConvTranspose",
    "ConvInteger",
    "QLinearConv",
    "MatMul",
    "MatMulInteger",
    "QLinearMatMul",
    "Gemm",
    "MatMulNBits",
)
_CARRIES = ("DequantizeLinear", "Transpose", "Reshape", "Cast", "Identity", "QuantizeLinear")
"""Operators that keep a weight a weight."""
_UNKNOWN_PRODUCTS = (
    "Einsum",
    "Attention",
    "MultiHeadAttention",
    "LSTM",
    "GRU",
    "RNN",
    "DeformConv",
    "FusedMatMul",
    "FusedConv",
)
_PARAMETERS_AT = {
    "LayerNormalization": (1, 2),
    "GroupNormalization": (1, 2),
    "BatchNormalization": (1, 2),
    "Gather": (0,),
    "Add": (0, 1),
    "Gemm": (1, 2),
    "QLinearConv": (3, 8),
    "QLinearMatMul": (3,),
}
_REDUCED = (
    "Softmax",
    "LayerNormalization",
    "InstanceNormalization",
    "GroupNormalization",
    "BatchNormalization",
    "ReduceMean",
    "ReduceSum",
)
_ELEMENTWISE = (
    "Add", "Sub", "Mul", "Div", "Pow", "Sqrt", "Exp", "Sigmoid", "Tanh", "Erf", "Gelu", "Relu", "Sin", "Cos", "Neg",
    "Clip", "Where", "QuantizeLinear", "DequantizeLinear", "Swish", "QuickGelu",
)  # fmt: skip


@dataclass(frozen=True)
class Product:
    """A node's multiply-accumulates; ``attention`` when neither operand is a weight."""

    node: str
    macs: int
    attention: bool


@dataclass(frozen=True)
class GraphCount:
    """What an ONNX file holds: counts by layer, products by node, weight bytes by layer as stored, names, the graph."""

    count: Count
    products: Mapping[str, Product]
    weight_bytes: Mapping[str, int]
    names: Names


def count_graph(path: Path) -> GraphCount:
    """Counts an ONNX file; weights in external files are not read.

    Parameters are the elements of initializers that are weights or biases of convolutions, matrix products, norms and
    lookups, or are added to something; not scales, zero points and other constants. With the exports of this package
    that is the number that PyTorch has; a file from elsewhere may hold folded constants that can't be told from biases.

    Raises:
        InputError: not an ONNX file.
    """
    graph = load_graph(path)
    initializers = {tensor.name: tensor for tensor in graph.initializer}
    shapes = _shapes(graph)
    if any(value and value not in shapes for node in graph.node if node.op_type in PRODUCTS for value in node.output):
        graph = _inferred(path)
        shapes = _shapes(graph)
    names = Names(graph)
    places = attribute(names, graph)
    producer = {value: node for node in graph.node for value in node.output}
    masked = {node.input[0] for node in graph.node if node.op_type == "Softmax"}
    products: dict[str, Product] = {}
    uncounted: Counter[str] = Counter()
    tallies: defaultdict[str, Counter[str]] = defaultdict(Counter)
    used: defaultdict[str, set[str]] = defaultdict(set)
    for node in graph.node:
        layer = places[node.name].layer or UNMAPPED
        tally = tallies[layer]
        tally["calls"] += 1
        tally["written"] += 4 * _elements(shapes.get(node.output[0]))
        used[layer] |= {value for value in node.input if value in initializers}
        if node.op_type in PRODUCTS:
            macs = _macs(node, shapes)
            if macs is None:
                uncounted[node.op_type] += 1
                continue
            attention = "Conv" not in node.op_type and not any(
                _is_weight(v, initializers, producer) for v in node.input[:2]
            )
            attention = attention and not node.op_type.startswith(("QLinear", "MatMulNBits"))
            products[node.name] = Product(node.name, macs, attention)
            tally["attention" if attention else "macs"] += macs
        elif node.op_type in _UNKNOWN_PRODUCTS:
            uncounted[node.op_type] += 1
        elif node.op_type in _ELEMENTWISE or node.op_type in _REDUCED:
            tally["elements"] += _elements(shapes.get(node.output[0]))
        if node.op_type != "Add" or node.output[0] not in masked:  # what is added before a softmax is a mask
            own = _parameters(node, initializers, producer)
            tally["params"] += sum(_elements(list(initializers[name].dims)) for name in own)
    layers = tuple(
        LayerCount(layer, "", t["params"], t["macs"], t["attention"], t["elements"], t["written"], t["calls"])
        for layer, t in tallies.items()
    )
    weight_bytes = {layer: sum(_stored_bytes(initializers[name]) for name in found) for layer, found in used.items()}
    return GraphCount(Count(layers, dict(uncounted)), products, weight_bytes, names)


def load_graph(path: Path) -> Any:
    """The ``GraphProto`` of an ONNX file without its external data; InputError when it is none."""
    import onnx
    from google.protobuf.message import DecodeError

    try:
        return onnx.load(str(path), load_external_data=False).graph
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except DecodeError as error:
        raise InputError(f"{path}: not an ONNX file ({error})") from None


def _inferred(path: Path) -> Any:
    """The graph with the shapes that onnx can work out; weights in external files stay there."""
    import onnx

    return onnx.shape_inference.infer_shapes(onnx.load(str(path), load_external_data=False)).graph


def _shapes(graph: Any) -> dict[str, list[int]]:
    found = {tensor.name: list(tensor.dims) for tensor in graph.initializer}
    for value in (*graph.input, *graph.output, *graph.value_info):
        sides = value.type.tensor_type.shape.dim
        if all(side.HasField("dim_value") for side in sides):
            found[value.name] = [side.dim_value for side in sides]
    # Quantization tools leave their own values without a shape: it is that of what they carry, also against the flow
    # (the last convolution writes a value that was the graph's output before).
    carriers = [node for node in graph.node if node.op_type in ("QuantizeLinear", "DequantizeLinear")]
    for node in carriers:
        if node.input[0] in found:
            found.setdefault(node.output[0], found[node.input[0]])
    for node in reversed(carriers):
        if node.output[0] in found:
            found.setdefault(node.input[0], found[node.output[0]])
    return found


def _macs(node: Any, shapes: Mapping[str, list[int]]) -> int | None:
    weight_at = {"QLinearConv": 3, "QLinearMatMul": 3}.get(node.op_type, 1)
    left, right, out = (shapes.get(value) for value in (node.input[0], node.input[weight_at], node.output[0]))
    if out is None or left is None or right is None:
        return None
    if node.op_type == "ConvTranspose":
        return _elements(left) * math.prod(right[1:])
    if "Conv" in node.op_type:
        return _elements(out) * math.prod(right[1:])
    if node.op_type == "Gemm":
        transposed = any(a.name == "transA" and a.i for a in node.attribute)
        return _elements(out) * left[0 if transposed else 1]
    return _elements(out) * left[-1]


def _elements(shape: list[int] | None) -> int:
    return math.prod(shape) if shape is not None else 0


def _is_weight(value: str, initializers: Mapping[str, Any], producer: Mapping[str, Any]) -> bool:
    while value in producer and producer[value].op_type in _CARRIES:
        value = producer[value].input[0]
    return value in initializers


def _parameters(node: Any, initializers: Mapping[str, Any], producer: Mapping[str, Any]) -> Iterator[str]:
    at = _PARAMETERS_AT.get(node.op_type, (0, 1, 2) if node.op_type in PRODUCTS else ())
    if node.op_type == "Mul" and _before(node, producer, 3, "InstanceNormalization"):
        at = (0, 1)  # a group norm: its own scale is of ones, the weight follows
    for value in (node.input[i] for i in at if i < len(node.input)):
        if _is_weight(value, initializers, producer):
            while value in producer:
                value = producer[value].input[0]
            if math.prod(initializers[value].dims) > 1:
                yield value


def _before(node: Any, producer: Mapping[str, Any], steps: int, kind: str) -> bool:
    """Whether an operator of ``kind`` is at most ``steps`` first inputs before ``node``."""
    for _ in range(steps):
        if not node.input or node.input[0] not in producer:
            return False
        node = producer[node.input[0]]
        if node.op_type == kind:
            return True
    return False


def _stored_bytes(tensor: Any) -> int:
    import onnx

    bits = {onnx.TensorProto.INT4: 4, onnx.TensorProto.UINT4: 4, onnx.TensorProto.INT2: 2, onnx.TensorProto.UINT2: 2}
    kind = tensor.data_type
    if kind in bits:
        return math.ceil(math.prod(tensor.dims) * bits[kind] / 8)
    return math.prod(tensor.dims) * onnx.helper.tensor_dtype_to_np_dtype(kind).itemsize
