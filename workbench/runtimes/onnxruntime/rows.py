"""The rows of a table of layers: kernels grouped by layer, joined with what the exported file says of the layer."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from workbench.graphs.costs import INTEGER
from workbench.graphs.macs import GraphCount
from workbench.graphs.products import PRODUCTS
from workbench.measure.counts import Count, LayerCount
from workbench.measure.layers import OUTSIDE, UNMAPPED, Integer, counted_columns, row
from workbench.runtimes.onnxruntime.attribution import Executed
from workbench.runtimes.onnxruntime.trace import Kernel, Pass

FUSED, REMOVED, IDLE = "(fused)", "(removed)", "(not run)"
"""Shown as the operator of a layer without kernels: another layer's kernel computes it, the runtime found that
it needs no computing, it is in a branch that wasn't taken."""
_MAIN = ("Conv", "MatMul", "Gemm", "Attention", "LSTM", "GRU", "Norm", "Softmax", "Gelu", "Sigmoid", "Resize")
"""Operators that name a layer's row, first come first; a layer without any is named by where its time goes."""
_MOVES = ("Reshape", "Transpose", "ReorderInput", "ReorderOutput", "Squeeze", "Unsqueeze")
"""Operators between a DequantizeLinear and a product that change no number."""


@dataclass(frozen=True)
class Run:
    """A recorded pass; ``nodes`` are the executed nodes that its kernels are, by index."""

    recorded: Pass
    nodes: Sequence[int | None]


class Rows:
    """The layers of some passes over one exported file."""

    def __init__(
        self, exported: GraphCount, executed: Executed, runs: Sequence[Run], scheme: str, counted: Count
    ) -> None:
        self.exported, self.executed, self.runs = exported, executed, runs
        self.integer_scheme = scheme if scheme.endswith("a8") else "w8a8"
        self.counts: Mapping[str, LayerCount] = {layer.layer: layer for layer in counted.layers}
        self._in_file = {layer.layer: layer for layer in exported.count.layers}
        self.times: defaultdict[str, list[float]] = defaultdict(lambda: [0.0] * len(runs))
        self.kernels: defaultdict[str, list[Kernel]] = defaultdict(list)
        self._op_times: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._notes: defaultdict[str, dict[str, int]] = defaultdict(dict)
        for i, run in enumerate(runs):
            for k, kernel in enumerate(run.recorded.kernels):
                layer = self.layer_at(run, k)
                self.times[layer][i] += kernel.microseconds / 1e3
                self._op_times[layer][kernel.op] += kernel.microseconds
                if i == 0:
                    self.kernels[layer].append(kernel)
        self._products: defaultdict[str, list[str]] = defaultdict(list)
        for node, layer in zip(exported.names.nodes, exported.names.layer_of, strict=True):
            if node.label in exported.products:
                self._products[layer].append(node.label)
        nodes = executed.nodes
        self._integers = self._computed_by([i for i, n in enumerate(nodes) if n.proto.op_type.startswith(INTEGER)])
        self._dequantized = self._computed_by(_behind_dequantize(executed))
        self._holders = self._fused()
        self._placed = {place.layer for place in executed.places}

    def layer_at(self, run: Run, kernel: int) -> str:
        """The layer of a kernel of ``run``."""
        return self.executed.place(run.nodes[kernel]).layer or UNMAPPED

    def note(self, column: str, run: Run, values: Sequence[int | None]) -> None:
        """Fills a column with the greatest of ``values`` (one for each kernel) in each layer."""
        for k, value in enumerate(values):
            layer = self.layer_at(run, k)
            if value is not None:
                self._notes[column][layer] = max(self._notes[column].get(layer, 0), value)

    def layers(self) -> list[dict[str, Any]]:
        """A row for each layer: those with kernels in order of execution, then those without."""
        silent = [layer for layer in self.exported.names.layers if layer not in self.times and self._matters(layer)]
        silent += [layer for layer, c in self.counts.items() if c.is_counted and layer not in {*self.times, *silent}]
        return [self._row(layer) for layer in (*(layer for layer in self.times if layer != UNMAPPED), *silent)]

    def unmapped(self) -> dict[str, Any]:
        """The row of kernels that no layer was found for."""
        return self._row(UNMAPPED)

    def runtime(self) -> dict[str, Any]:
        """The row of the time outside all kernels."""
        return row(OUTSIDE, self._outside(), op="", scheme="", calls=1, fused_into="")

    def samples(self) -> dict[str, tuple[float, ...]]:
        """Time in ms by layer, pass by pass."""
        return {
            **{layer: tuple(times) for layer, times in self.times.items()},
            UNMAPPED: tuple(self.times[UNMAPPED]),
            OUTSIDE: self._outside(),
        }

    def integer(self) -> Integer:
        """Shares of MACs in integers."""
        both = self._integers | self._dequantized
        return Integer(self._share(self._integers, False), self._share(self._integers, True), self._share(both, False))

    def _share(self, among: set[str], attention: bool) -> float:
        macs = {k: p.macs + (p.attention_macs if attention else 0) for k, p in self.exported.products.items()}
        whole = sum(macs.values())
        return sum(macs[name] for name in among) / whole if whole else 0.0

    def _outside(self) -> tuple[float, ...]:
        passes = (run.recorded for run in self.runs)
        return tuple(max(0.0, (p.wall - sum(k.microseconds for k in p.kernels)) / 1e3) for p in passes)

    def _computed_by(self, executed: Sequence[int]) -> set[str]:
        """Products of the exported graph that some executed nodes compute."""
        labels = (self.exported.names.nodes[i].label for at in executed for i in self.executed.covers[at])
        named = (self.executed.places[at].origin or "" for at in executed)
        return {label for label in (*labels, *named) if label in self.exported.products}

    def _fused(self) -> dict[str, str]:
        """Of layers that other layers' kernels compute a part of: the layer that computes most of them."""
        macs, work = self.exported.macs, defaultdict[str, Counter[str]](Counter)
        for place, cover in zip(self.executed.places, self.executed.covers, strict=True):
            for i in cover:
                layer, node = self.exported.names.layer_of[i], self.exported.names.nodes[i]
                if place.layer is not None and place.layer != layer:
                    work[layer][place.layer] += 1 + macs.get(node.label, 0)
        return {layer: by.most_common(1)[0][0] for layer, by in work.items()}

    def _matters(self, layer: str) -> bool:
        counted = self._in_file.get(layer)
        return (
            layer in self._holders
            or layer in self._placed
            or bool(counted and (counted.is_counted or counted.element_ops))
        )

    def _row(self, layer: str) -> dict[str, Any]:
        kernels = self.kernels[layer]
        return row(
            layer,
            self.times[layer],
            op=self._op(layer),
            scheme=self._scheme(layer),
            calls=len(kernels),
            weight_bytes=self.exported.weight_bytes.get(layer, 0),
            activation_bytes=sum(kernel.output_bytes for kernel in kernels),
            fused_into="" if kernels or layer == UNMAPPED else self._holders.get(layer, ""),
            peak_bytes=self._notes["peak_bytes"].get(layer),
            runtime_bytes=self._notes["runtime_bytes"].get(layer),
            **counted_columns(self.counts.get(layer)),
        )

    def _op(self, layer: str) -> str:
        if not self.kernels[layer]:
            if layer == UNMAPPED:
                return ""
            if layer in self._holders:
                return FUSED
            return IDLE if layer in self._placed else REMOVED
        by_op = self._op_times[layer]
        for kind in _MAIN:
            named = [op for op, _ in by_op.most_common() if kind in op]
            if named:
                return named[0]
        return by_op.most_common(1)[0][0]

    def _scheme(self, layer: str) -> str:
        """``w8a8`` where integers are multiplied or stored for it, ``w4a16`` and the like where only weights are."""
        products = self._products[layer]
        integer = [label for label in products if label in self._integers or label in self._dequantized]
        weights = [label for label in products if label in self.exported.weight_bits and label not in integer]
        if integer:
            return self.integer_scheme if len(integer) == len(products) else "mixed"
        if weights:
            return f"w{self.exported.weight_bits[weights[0]]}a16" if len(weights) == len(products) else "mixed"
        return self.exported.floats.get(layer, "fp32")


def _behind_dequantize(executed: Executed) -> list[int]:
    """Nodes that multiply in float what is stored as integers: both operands are dequantized before."""
    producer = {value: node.proto for node in executed.nodes for value in node.proto.output}

    def dequantized(value: str) -> bool:
        while value in producer and producer[value].op_type in _MOVES:
            value = producer[value].input[0]
        return value in producer and producer[value].op_type == "DequantizeLinear"

    return [
        i
        for i, node in enumerate(executed.nodes)
        if node.proto.op_type in PRODUCTS
        and not node.proto.op_type.startswith(INTEGER)
        and len(node.proto.input) > 1
        and all(dequantized(value) for value in node.proto.input[:2])
    ]
