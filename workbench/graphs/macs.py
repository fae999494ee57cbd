"""Multiply-accumulates, parameters and bytes of an ONNX graph, layer by layer, from its shapes alone.

Nothing is run and weights are not read. Products and their formulas: ``workbench.graphs.products``.

Products agree exactly with PyTorch's count of the same network. Element operations have the same definition (one per
output element of pointwise operators, one per input element of norms, softmax, pooling and reductions) but the graphs
differ: a GELU or a group norm is one operator in PyTorch and can be several in ONNX.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from workbench.graphs.costs import Product, product_of, weight_inputs
from workbench.graphs.layer_names import GraphNode, Names
from workbench.graphs.plain import make_unique, plain
from workbench.graphs.products import PRODUCTS
from workbench.graphs.read import read_model
from workbench.graphs.repeats import times_of
from workbench.graphs.shapes import Shapes, resolve
from workbench.graphs.types import bits_of, integers
from workbench.graphs.walk import attribute, bodies, scopes
from workbench.graphs.work import ELEMENTWISE, FREE, REDUCED, VIEWS
from workbench.measure.counts import Count, LayerCount

_PARAMETERS_AT = {
    "LayerNormalization": (1, 2), "GroupNormalization": (1, 2), "BatchNormalization": (1, 2), "RMSNormalization": (1,),
    "SimplifiedLayerNormalization": (1,), "SkipLayerNormalization": (2, 3, 4), "GroupNorm": (1, 2), "PRelu": (1,),
    "SkipSimplifiedLayerNormalization": (2, 3), "InstanceNormalization": (1, 2), "Gather": (0,), "Add": (0, 1),
    "BiasGelu": (1,), "FastGelu": (1,), "EmbedLayerNormalization": (2, 3, 4, 5, 6),
}  # fmt: skip
_BIAS_AT = {
    **dict.fromkeys(("Conv", "ConvTranspose", "FusedConv", "NhwcFusedConv", "Gemm", "FusedGemm", "Attention"), (2,)),
    **dict.fromkeys(("LSTM", "GRU", "RNN"), (3,)),
    "QAttention": (2,), "MultiHeadAttention": (3,), "QLinearConv": (8,), "QGemm": (6,), "MatMulNBits": (5,),
}  # fmt: skip
_SHARED = 1024
"""Elements above which a tensor used by several nodes is shared and counts once. Equal small tensors (biases of zeros,
weights of ones) are merged by exporters and count for each user."""


@dataclass(frozen=True)
class GraphCount:
    """The counts of an ONNX file: by layer, products by the node's label, stored bytes of weights by layer, and its
    names. ``weight_bits``: of products whose weight is stored in integers; ``floats``: the type of each layer's results
    (``fp32``, ``fp16``, …)."""

    count: Count
    products: Mapping[str, Product]
    weight_bytes: Mapping[str, int]
    names: Names
    weight_bits: Mapping[str, int]
    floats: Mapping[str, str]

    @property
    def macs(self) -> dict[str, int]:
        """All multiply-accumulates of each node that has any, by its label."""
        return {label: p.macs + p.attention_macs for label, p in self.products.items()}


def count_graph(path: Path, shapes: Mapping[str, Sequence[int]] | None = None) -> GraphCount:
    """Counts an ONNX file of any size, from any exporter.

    Args:
        path: the file; weights, in it or in external files, are not read.
        shapes: of its inputs; required for those that the file leaves open.

    Parameters are the elements of constants that are weights or biases of convolutions, matrix products, norms and
    lookups, or are added to something; not scales, zero points and other constants. For exports of this package that is
    PyTorch's number; foreign files can contain folded constants that look like biases.

    The body of a Loop or Scan counts as often as it runs. If the branch of an If depends on the data, both are counted,
    with a sentence in ``notes``. Products of unknown shape, nodes whose number of runs depends on the data, and unknown
    operators are in ``uncounted`` by name and number.

    Raises:
        InputError: not an ONNX file, or ``shapes`` doesn't fit it.
    """
    model = plain(read_model(path), path)
    make_unique(model.graph)
    return _Counting(model, resolve(model, shapes)).result()


class _Counting:
    """One pass over a graph's nodes, summed by layer."""

    def __init__(self, model: Any, shapes: Shapes) -> None:
        graph = model.graph
        self.names, self.shapes = Names(graph), shapes
        runs = times_of(self.names.nodes, model, shapes.shape)
        self.times = {node.label: times for node, times in zip(self.names.nodes, runs, strict=True)}
        self.tensors, self.sparse = _tensors(graph)
        self.products = {node.label: self._product(node) for node in self.names.nodes if node.proto.op_type in PRODUCTS}
        self.masked = {n.proto.input[0] for n in self.names.nodes if n.proto.op_type == "Softmax"}
        self.tallies: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self.used: defaultdict[str, dict[str, None]] = defaultdict(dict)
        self.uncounted: Counter[str] = Counter()
        self.owned: set[str] = set()

    def _product(self, node: GraphNode) -> Product:
        """The product of a node in one pass of the graph, over all its runs."""
        times = self.times[node.label]
        if times.why or not times.count:
            return Product(node.proto, why=times.why)
        once = product_of(node.proto, self.shapes, self.names.constants)
        return replace(once, macs=once.macs * times.count, attention_macs=once.attention_macs * times.count)

    def _choices(self) -> Iterator[str]:
        """A sentence on every If whose branches are both counted, if one of them has products."""
        macs: defaultdict[int, Counter[str]] = defaultdict(Counter)
        choices = {times.choice for times in self.times.values()}
        for node in (node for node in self.names.nodes if node.label in self.products):
            product, inner = self.products[node.label], node
            while inner.outer is not None:
                if inner.outer in choices:
                    macs[inner.outer][inner.branch] += product.macs + product.attention_macs
                inner = self.names.nodes[inner.outer]
        for choice, by_branch in sorted(macs.items()):
            text = " and ".join(f"{by_branch[name]:,} MACs in its {name}" for name in ("then_branch", "else_branch"))
            yield f"{self.names.nodes[choice].label}: the data choose the branch; both are counted, {text}"

    def result(self) -> GraphCount:
        for node, layer in zip(self.names.nodes, self.names.layer_of, strict=True):
            if node.proto.op_type != "Constant":
                self._add(node.label, node.proto, self.tallies[layer], layer)
        kinds = self._kinds()
        layers = tuple(
            LayerCount(
                layer, kinds[layer], t["params"], t["macs"], t["attention"], t["elements"], t["written"], t["calls"]
            )
            for layer, t in self.tallies.items()
        )
        weight_bytes = {layer: sum(map(self._stored_bytes, names)) for layer, names in self.used.items()}
        bits = {label: bits for label, p in self.products.items() if (bits := self._weight_bits(p.node))}
        return GraphCount(
            Count(layers, dict(sorted(self.uncounted.items())), tuple(self._choices())),
            self.products,
            weight_bytes,
            self.names,
            bits,
            self._floats(),
        )

    def _add(self, label: str, node: Any, tally: Counter[str], layer: str) -> None:
        for value in node.input:
            if value in self.tensors and self._counts_here(value, f"bytes of {value}"):
                self.used[layer][value] = None
        tally["params"] += sum(self._parameters(node))
        if node.output and self.names.constants.issuperset(node.output):
            return
        times = self.times[label].count
        tally["calls"] += max(times, 1)
        if not times and label not in self.products:
            return
        if label in self.products:
            product = self.products[label]
            if product.why:
                self.uncounted[f"{node.op_type} ({product.why})"] += 1
            tally["macs"] += product.macs
            tally["attention"] += product.attention_macs
        elif node.op_type in ELEMENTWISE:
            tally["elements"] += times * self._elements(node.output[0])
        elif node.op_type in REDUCED:
            tally["elements"] += times * self._elements(node.input[0])
        elif node.op_type not in FREE and not bodies(node):
            self.uncounted[node.op_type] += 1
        if node.op_type not in VIEWS:
            tally["written"] += times * sum(self._bytes(value) for value in node.output if value)

    def _counts_here(self, value: str, key: str) -> bool:
        """Whether a tensor counts for this user: small ones always, large ones the first time."""
        if math.prod(self.tensors[value].dims) <= _SHARED:
            return True
        new = key not in self.owned
        self.owned.add(key)
        return new

    def _kinds(self) -> dict[str, str]:
        """The operator shown for each layer: the one that multiplies, else the last."""
        kinds: dict[str, str] = {}
        multiplies: set[str] = set()
        for node, layer in zip(self.names.nodes, self.names.layer_of, strict=True):
            if layer not in multiplies and node.proto.op_type not in FREE:
                kinds[layer] = node.proto.op_type
                if node.label in self.products:
                    multiplies.add(layer)
        return defaultdict(str, kinds)

    def _weight_bits(self, node: Any) -> int:
        """Bits per element of a weight that is stored in integers; 0 for floats."""
        if node.op_type == "MatMulNBits":
            return int(attribute(node, "bits", 4))
        for i in weight_inputs(node):
            name = self._source(node.input[i]) if i < len(node.input) else None
            if name is not None:
                return bits_of(self.tensors[name].data_type) if self.tensors[name].data_type in integers() else 0
        return 0

    def _floats(self) -> dict[str, str]:
        import onnx

        types = onnx.TensorProto
        known = {types.FLOAT: "fp32", types.FLOAT16: "fp16", types.BFLOAT16: "bf16", types.DOUBLE: "fp64"}
        floats: dict[str, str] = {}
        for node, layer in zip(self.names.nodes, self.names.layer_of, strict=True):
            kind = known.get(self.shapes.type.get("".join(node.proto.output[:1]), 0))
            if kind is not None and (layer not in floats or node.label in self.products):
                floats[layer] = kind
        return floats

    def _stored_bytes(self, name: str) -> int:
        parts = [self.sparse[name].values, self.sparse[name].indices] if name in self.sparse else [self.tensors[name]]
        return sum(math.ceil(math.prod(part.dims) * bits_of(part.data_type) / 8) for part in parts)

    def _elements(self, value: str) -> int:
        return math.prod(self.shapes.shape[value]) if value in self.shapes.shape else 0

    def _bytes(self, value: str) -> int:
        return math.ceil(self._elements(value) * bits_of(self.shapes.type.get(value, 0)) / 8)

    def _parameters(self, node: Any) -> Iterator[int]:
        kind = node.op_type
        if kind == "Add" and node.output[0] in self.masked:
            return  # a mask before a softmax
        if kind in PRODUCTS:
            at = (*weight_inputs(node), *_BIAS_AT.get(kind, ()))
        elif kind == "Mul" and self._before(node, 3, "InstanceNormalization"):
            at = (0, 1)  # a group norm: the instance norm's scale is ones, the weight follows
        else:
            at = _PARAMETERS_AT.get(kind, ())
        for i in at:
            name = self._source(node.input[i]) if i < len(node.input) else None
            if name is None or (kind in ("Add", "Mul") and math.prod(self.tensors[name].dims) <= 1):
                continue
            if kind == "InstanceNormalization" and self._is_trivial(name):
                continue
            if self._counts_here(name, name):
                packed = kind == "MatMulNBits" and i == 1
                dims = [attribute(node, "K"), attribute(node, "N")] if packed else self.tensors[name].dims
                yield math.prod(dims)

    def _source(self, value: str) -> str | None:
        """The stored tensor that a constant value is computed from; None for an activation."""
        while value in self.names.constants and value not in self.tensors:
            node = self.names.nodes[self.names.producer[value]].proto
            if not node.input:
                return None
            value = node.input[0]
        return value if value in self.tensors else None

    def _is_trivial(self, name: str) -> bool:
        """Whether a tensor is all ones or all zeros: the scale or shift of a norm without parameters."""
        import onnx

        tensor = self.tensors[name]
        if not tensor.raw_data and not tensor.float_data:
            return False
        values = onnx.numpy_helper.to_array(tensor)
        return bool((values == 1).all() or (values == 0).all())

    def _before(self, node: Any, steps: int, kind: str) -> bool:
        """Whether an operator of ``kind`` is at most ``steps`` first inputs before ``node``."""
        for _ in range(steps):
            index = self.names.producer.get(node.input[0]) if node.input else None
            if index is None:
                return False
            node = self.names.nodes[index].proto
            if node.op_type == kind:
                return True
        return False


def _tensors(graph: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Stored tensors by value name; sparse ones as dense tensors without values, and as stored."""
    import onnx

    dense, sparse = dict[str, Any](), dict[str, Any]()
    for part in scopes(graph):
        dense |= {tensor.name: tensor for tensor in part.initializer}
        sparse |= {tensor.values.name: tensor for tensor in part.sparse_initializer}
        stored = [(value, a) for n in part.node if n.op_type == "Constant" for value in n.output for a in n.attribute]
        dense |= {value: a.t for value, a in stored if a.t.dims}
        sparse |= {value: a.sparse_tensor for value, a in stored if a.HasField("sparse_tensor")}
    for name, tensor in sparse.items():
        dense[name] = onnx.TensorProto(name=name, data_type=tensor.values.data_type, dims=tensor.dims)
    return dense, sparse
