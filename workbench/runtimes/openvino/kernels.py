"""The kernels that OpenVINO ran, on their layers.

The executed graph names, for each kernel, the operations of the file that were fused into it, and those carry their
layer. A kernel's time goes to the layer of its largest product; without a product, to the layer that most of its
operations belong to. What has no operation of the file belongs to its neighbours: what carries a value (Reorder,
Convert, Transpose) to what makes it, the others to what uses it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from workbench.measure.layers import UNMAPPED, Event, Integer, Transition, median_index, medians
from workbench.runtimes.openvino.file import File
from workbench.runtimes.openvino.trace import Node, Pass

if TYPE_CHECKING:
    from workbench.graphs.costs import NodeCost

_INTEGERS = ("i8", "u8")
_PRECISIONS = {"f32": "fp32", "f16": "fp16", "bf16": "bf16", "i8": "int8", "u8": "uint8"}
_MAIN = ("onvolution", "FullyConnected", "MatMul", "MHA", "Attention", "MVN", "Softmax", "Gelu", "Subgraph")
"""Operators that name a layer's row, first come first; a layer without any is named by where its time goes."""
_CONVERT = ("Reorder", "Convert", "FakeQuantize")
_CARRIES = ("Reorder", "Convert", "FakeQuantize", "Transpose", "Reshape", "Split", "Concatenation")
"""Kinds of executed nodes whose output is their input in another layout or precision."""
_VIEWS = ("Reshape", "Squeeze", "Unsqueeze", "Split", "VariadicSplit", "StridedSlice")
"""Operators whose output lies in their input's memory when they take no time."""


class Kernels:
    """Kernels of recorded passes, by layer."""

    def __init__(self, file: File, nodes: Sequence[Node], passes: Sequence[Pass]) -> None:
        self.file, self.nodes, self.passes = file, nodes, passes
        self.by_name = {node.name: node for node in nodes}
        self.taken: Counter[str] = Counter()
        for recorded in passes:
            self.taken.update(recorded.kernels)
        self.layer = {name: layer or UNMAPPED for name, layer in self._placed().items()}
        self.samples: defaultdict[str, list[float]] = defaultdict(lambda: [0.0] * len(passes))
        self.kernels: defaultdict[str, list[Node]] = defaultdict(list)
        for name in (name for name, whole in self.taken.items() if whole):
            layer = self.layer.get(name, UNMAPPED)
            if name in self.by_name:
                self.kernels[layer].append(self.by_name[name])
            for i, recorded in enumerate(passes):
                self.samples[layer][i] += recorded.kernels.get(name, 0) / 1e3
        self.fused_into: dict[str, str] = {}
        for node in nodes:
            for layer in self._layers_of(node):
                if layer != self.layer[node.name] and self.taken[node.name]:
                    self.fused_into.setdefault(layer, self.layer[node.name])
        self.live = self._live_bytes()

    def _layers_of(self, node: Node) -> list[str]:
        layers = (self.file.layer(name) for name in node.origins)
        return [layer for layer in layers if layer is not None]

    def _placed(self) -> dict[str, str | None]:
        """The layer of every node: by its operations, else by its neighbours, from those that are known outwards."""
        layers = {node.name: self._by_operations(node) for node in self.nodes}
        users: defaultdict[str, list[str]] = defaultdict(list)
        for node in self.nodes:
            for name in node.inputs:
                users[name].append(node.name)
        open_nodes = [node for node in self.nodes if layers[node.name] is None and node.is_kernel]
        while open_nodes:
            placed = {}
            for node in open_nodes:
                # What carries a value belongs to what made it; what computes, to the rest of what it is a part of.
                both = (node.inputs, users[node.name])
                near = (layers[name] for side in (both if node.kind in _CARRIES else both[::-1]) for name in side)
                if (layer := next((at for at in near if at is not None), None)) is not None:
                    placed[node.name] = layer
            if not placed:
                break
            layers.update(placed)
            open_nodes = [node for node in open_nodes if node.name not in placed]
        return layers

    def _by_operations(self, node: Node) -> str | None:
        products = self.products_of(node)
        if products:
            main = max(products, key=lambda cost: cost.macs).node
            return self.file.layer(main)
        layers = Counter(self._layers_of(node))
        return layers.most_common(1)[0][0] if layers else None

    def products_of(self, node: Node) -> list[NodeCost]:
        """The file's products that a kernel computes."""
        names = dict.fromkeys(self.file.product(name, node.kind) for name in node.origins)
        return [self.file.products[name] for name in names if name is not None]

    def kind(self, node: Node) -> str:
        """The operator that a kernel is; a compiled ``Subgraph`` by what it holds, where that is of one kind."""
        if node.kind == "Subgraph" and self.products_of(node):
            return "MHA"
        if node.kind in ("Subgraph", "Eltwise"):
            return self._single_kind(node) or node.kind
        return "Concat" if node.kind == "Concatenation" else node.kind

    def _single_kind(self, node: Node) -> str | None:
        kinds = {self.file.kinds[name] for name in node.origins if name in self.file.kinds}
        return kinds.pop() if len(kinds) == 1 else None

    @cached_property
    def _integer_products(self) -> set[str]:
        return {cost.node for node in self.nodes if node.computes in _INTEGERS for cost in self.products_of(node)}

    def integer(self) -> Integer:
        """Shares of MACs that integer kernels compute."""
        costs = self.file.products.values()
        ran, stored = self._integer_products, {cost.node for cost in costs if cost.int8}

        def share(among: Iterable[str], attention: bool) -> float:
            whole = sum(cost.macs for cost in costs if attention or cost.weights)
            part = sum(cost.macs for cost in costs if cost.node in among and (attention or cost.weights))
            return part / whole if whole else 0.0

        return Integer(share(ran, False), share(ran, True), share(ran | stored, False))

    def scheme(self, layer: str, integer: str) -> str:
        """``fp32``, the integer scheme, or ``mixed``: by what the layer's products are stored in."""
        if layer == UNMAPPED:
            return "fp32"
        costs = [cost for cost in self.file.products.values() if self.file.layer(cost.node) == layer]
        quantized = [cost for cost in costs if cost.int8 or cost.node in self._integer_products]
        if not quantized:
            return "fp32"
        return integer if len(quantized) == len(costs) else "mixed"

    def op(self, layer: str) -> str:
        """What the layer's row is called."""
        kernels = self.kernels[layer]
        if not kernels and layer not in self.fused_into:  # they took less than the counters tell
            kernels = [node for node in self.nodes if node.is_kernel and self.layer[node.name] == layer]
        if not kernels:
            return "(fused)" if layer != UNMAPPED else ""
        times: Counter[str] = Counter()
        for node in kernels:
            times[self.kind(node)] += self.taken[node.name]
        ordered = [kind for kind, _ in times.most_common()]
        return next((kind for main in _MAIN for kind in ordered if main in kind), ordered[0])

    def by_op(self) -> dict[str, float]:
        """Median time in ms per pass by kind of operator, longest first."""
        sums: defaultdict[str, list[float]] = defaultdict(lambda: [0.0] * len(self.passes))
        for i, recorded in enumerate(self.passes):
            for name, microseconds in recorded.kernels.items():
                if self.taken[name]:
                    sums[self.kind(self.by_name[name]) if name in self.by_name else name][i] += microseconds / 1e3
        return medians(sums)

    def events(self, kernel_ms: Sequence[float]) -> tuple[Event, ...]:
        """The kernels of the pass in the middle, one after another in their order: OpenVINO reports no begin."""
        times, start, events = self.passes[median_index(kernel_ms)].kernels, 0.0, []
        for node in self.nodes:
            if duration := times.get(node.name, 0):
                events.append(Event(node.name, self.layer[node.name], self.kind(node), start, float(duration)))
                start += duration
        return tuple(events)

    def transitions(self) -> tuple[Transition, ...]:
        """Kernels that do nothing but turn one precision into another; fused ones are unknown."""
        count: Counter[tuple[str, str]] = Counter()
        spent: Counter[tuple[str, str]] = Counter()
        for node in self.nodes:
            sources = (self.by_name[name] for name in node.inputs if name in self.by_name)
            before = next(sources, node).precision
            pair = _PRECISIONS.get(before, ""), _PRECISIONS.get(node.precision, "")
            if all(pair) and pair[0] != pair[1] and self.taken[node.name] and self.kind(node) in _CONVERT:
                count[pair] += 1
                spent[pair] += self.taken[node.name]
        return tuple(Transition(*pair, n, spent[pair] / 1e3 / len(self.passes)) for pair, n in count.most_common())

    def peak(self, layer: str) -> int | None:
        """Most bytes alive while one of the layer's kernels runs (estimated)."""
        return max((self.live[node.name] for node in self.kernels[layer]), default=None)

    def _live_bytes(self) -> dict[str, int]:
        """Bytes of values alive while each kernel runs, from sizes and order alone; the model's inputs don't count.

        What takes no time and changes only the shape shares its input's memory. A concatenation in place is counted
        with its parts.
        """
        buffer: dict[str, str] = {}
        size: dict[str, int] = {}
        end: dict[str, int] = {}
        for step, node in enumerate(self.nodes):
            name = node.name
            if not node.is_kernel:
                size[name] = 0
            elif node.kind in _VIEWS and not self.taken[name] and node.inputs:
                buffer[name] = buffer.get(node.inputs[0], node.inputs[0])
            else:
                size[name] = node.written
            for value in (name, *node.inputs):
                end[buffer.get(value, value)] = step
        dies: defaultdict[int, list[str]] = defaultdict(list)
        for name, step in end.items():
            dies[step].append(name)
        live, by_layer = 0, {}
        for step, node in enumerate(self.nodes):
            live += size.get(node.name, 0)
            if self.taken[node.name]:
                by_layer[node.name] = live
            live -= sum(size.get(name, 0) for name in dies[step])
        return by_layer
