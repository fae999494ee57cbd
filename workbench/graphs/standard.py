"""Runtimes' own operators written as ONNX's, so far that ONNX's inference finds the shapes of their results.

Only shapes are right in what comes out, and element types where they are those of the first input or float: it is never
run. Operators: ``ContribOperators.md`` of ONNX Runtime.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from workbench.graphs.walk import attribute, scopes

if TYPE_CHECKING:
    import onnx

STAND_IN = "workbench.stand_in"
"""Metadata key of nodes that stand in for others: they compute nothing."""
_RUNTIMES = ("com.microsoft", "com.microsoft.nchwc")
IN_ONNX = {
    "Affine", "Crop", "DynamicSlice", "GRUUnit", "GivenTensorFill", "ImageScaler", "MemcpyFromHost", "MemcpyToHost",
    "ParametricSoftplus", "Scale", "ScaledTanh", "SimplifiedLayerNormalization",
}  # fmt: skip
"""Operators of ONNX Runtime in ONNX's own domain."""
_CONV = ("auto_pad", "dilations", "group", "kernel_shape", "pads", "strides")
_POOL = ("auto_pad", "ceil_mode", "count_include_pad", "kernel_shape", "pads", "strides")
Dims = Mapping[str, Sequence[int]]


def standard(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy of the model in which runtimes' operators are ONNX's where ``_RULES`` says how; the others stay."""
    import onnx

    made = copy.deepcopy(model)
    if not any(entry.domain == "" for entry in made.opset_import):
        made.opset_import.append(onnx.helper.make_opsetid("", onnx.defs.onnx_opset_version()))
    make_dense(made.graph)
    dims = {tensor.name: tuple(tensor.dims) for graph in scopes(made.graph) for tensor in graph.initializer}
    for graph in scopes(made.graph):
        if any(map(_is_runtimes, graph.node)):
            nodes = [new for node in graph.node for new in _written(node, dims, graph)]
            del graph.node[:]
            graph.node.extend(nodes)
    return made


def make_dense(graph: onnx.GraphProto) -> None:
    """Puts stand-ins without values, in place, where weights are stored sparse: inference knows none of those."""
    import onnx

    for part in scopes(graph):
        for tensor in part.sparse_initializer:
            kind = tensor.values.data_type
            part.initializer.append(onnx.TensorProto(name=tensor.values.name, data_type=kind, dims=tensor.dims))
        del part.sparse_initializer[:]
        for node in [node for node in part.node if node.op_type == "Constant"]:
            for tensor in (a.sparse_tensor for a in node.attribute if a.HasField("sparse_tensor")):
                kind = tensor.values.data_type
                part.initializer.append(onnx.TensorProto(name=node.output[0], data_type=kind, dims=tensor.dims))
                part.node.remove(node)


def _is_runtimes(node: onnx.NodeProto) -> bool:
    return node.domain in _RUNTIMES or (not node.domain and node.op_type in IN_ONNX)


def _written(node: onnx.NodeProto, dims: Dims, graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    rule = _RULES.get(node.op_type) if _is_runtimes(node) else None
    made = rule(_Node(node, dims, graph)) if rule else None
    for new in made or ():
        new.metadata_props.add(key=STAND_IN)
    yield from [node] if made is None else made


class _Node:
    """What the rules ask of a node."""

    def __init__(self, node: onnx.NodeProto, dims: Dims, graph: onnx.GraphProto) -> None:
        self.node, self._dims, self._graph = node, dims, graph

    def attribute(self, name: str, default: Any = 0) -> Any:
        return attribute(self.node, name, default)

    def has(self, at: int) -> bool:
        return at < len(self.node.input) and bool(self.node.input[at])

    def dims(self, at: int) -> Sequence[int] | None:
        return self._dims.get(self.node.input[at]) if self.has(at) else None

    def weight(self, *sides: int) -> str:
        """The name of a stand-in for a weight of these sides; there are no values in it."""
        import onnx

        name = f"{STAND_IN} {len(self._graph.initializer)}"
        self._graph.initializer.append(onnx.TensorProto(name=name, data_type=onnx.TensorProto.FLOAT, dims=sides))
        return name

    def as_(self, kind: str, inputs: Sequence[str], keep: Sequence[str] = (), floats: bool = False, **more: Any) -> Any:
        """An operator of ONNX in the node's place; ``floats``: its result is of floats, whatever goes in."""
        import onnx

        first = self.node.output[0]
        made = f"{STAND_IN} {first}" if floats else first
        new = onnx.helper.make_node(kind, list(inputs), [made], self.node.name, **more)
        new.attribute.extend(a for a in self.node.attribute if a.name in keep)
        if not floats:
            return [new]
        return [new, onnx.helper.make_node("Cast", [made], [first], to=onnx.TensorProto.FLOAT)]


Rule = Callable[[_Node], "list[onnx.NodeProto] | None"]


def _like(kind: str, *at: int, keep: Sequence[str] = (), floats: bool = False) -> Rule:
    def rule(n: _Node) -> Any:
        return n.as_(kind, [n.node.input[i] for i in at], keep, floats) if all(map(n.has, at)) else None

    return rule


_SAME = _like("Identity", 0)


def _channels_first(rule: Rule) -> Rule:
    return lambda n: None if n.attribute("channels_last") else rule(n)


def _normed(n: _Node) -> Any:
    """A norm behind a sum, which is its last output."""
    import onnx

    outputs = [value for at, value in enumerate(n.node.output) if at in (0, 3) and value]
    return [onnx.helper.make_node("Identity", [n.node.input[0]], [value]) for value in outputs]


def _fused_matmul(n: _Node) -> Any:
    if n.attribute("transBatchA") or n.attribute("transBatchB"):
        return None
    left, right = "ji" if n.attribute("transA") else "ij", "kj" if n.attribute("transB") else "jk"
    if (left, right) == ("ij", "jk"):
        return n.as_("MatMul", n.node.input[:2])
    return n.as_("Einsum", n.node.input[:2], equation=f"...{left},...{right}->...ik")


def _packed(n: _Node) -> Any:
    return n.as_("MatMul", [n.node.input[0], n.weight(n.attribute("K"), n.attribute("N"))])


def _projected(n: _Node) -> Any:
    """Attention with its projections: as long as its input, as wide as its values."""
    weight = n.dims(1)
    if weight is None or len(weight) != 2:
        return None
    sizes = n.attribute("qkv_hidden_sizes", None) or [weight[1] // 3] * 3
    return n.as_("MatMul", [n.node.input[0], n.weight(weight[0], sizes[-1])], floats=True)


def _concat(n: _Node) -> Any:
    return n.as_("Concat", list(n.node.input[2::3]), ("axis",))


def _attended(n: _Node) -> Any:
    """Attention of projected inputs: as long as the queries, as wide as the values."""
    return n.as_("Einsum", [n.node.input[0], n.node.input[2]], equation="abc,ade->abe") if n.has(2) else None


_RULES: Mapping[str, Rule] = {
    **dict.fromkeys(
        ("Gelu", "FastGelu", "QuickGelu", "BiasGelu", "BiasAdd", "GroupNorm", "Inverse", "QLinearLeakyRelu",
         "QLinearSigmoid", "QLinearSoftmax", "QuantizeLinear", "RotaryEmbedding", "Trilu"), _SAME),
    "DequantizeLinear": _like("Identity", 0, floats=True),
    **dict.fromkeys(("SkipLayerNormalization", "SkipSimplifiedLayerNormalization"), _normed),
    **dict.fromkeys(("SimplifiedLayerNormalization", "SkipGroupNorm"), _SAME),
    "EmbedLayerNormalization": _like("Gather", 2, 0, floats=True),
    **dict.fromkeys(("QLinearAdd", "QLinearMul"), _like("Add", 0, 3)),
    "QLinearWhere": _like("Where", 0, 1, 4),
    "QLinearConcat": _concat,
    "QLinearAveragePool": _channels_first(_like("AveragePool", 0, keep=_POOL)),
    "QLinearGlobalAveragePool": _channels_first(_like("GlobalAveragePool", 0)),
    "QGemm": _like("Gemm", 0, 3, keep=("transA", "transB")),
    **dict.fromkeys(("FusedGemm", "GemmFloat8"), _like("Gemm", 0, 1, keep=("transA", "transB"))),
    **dict.fromkeys(("MatMulIntegerToFloat", "DynamicQuantizeMatMul"), _like("MatMul", 0, 1, floats=True)),
    "GemmFastGelu": _like("MatMul", 0, 1),
    **dict.fromkeys(("FusedMatMul", "TransposeMatMul", "FusedMatMulActivation"), _fused_matmul),
    **dict.fromkeys(("MatMulNBits", "MatMulBnb4"), _packed),
    "FusedConv": _like("Conv", 0, 1, keep=_CONV),
    "DynamicQuantizeLSTM": _like("LSTM", 0, 1, 2, keep=("hidden_size", "direction", "layout")),
    **dict.fromkeys(("Attention", "QAttention"), _projected),
    "MultiHeadAttention": _attended,
    "GroupQueryAttention": lambda n: n.as_("Identity", [n.node.input[0]]) if n.has(1) else None,
}  # fmt: skip
