"""The per-layer pass on ONNX Runtime: a session of its own with the runtime's profiling on; nothing is timed here."""

from __future__ import annotations

import tempfile
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.errors import RunError
from workbench.export.load import session
from workbench.profile.attribution import RUNTIME, UNMAPPED, Place, attribute
from workbench.profile.clock import Stats
from workbench.profile.layers import Integer, Layers, with_shares
from workbench.profile.liveness import live_bytes
from workbench.profile.macs import Count, LayerCount
from workbench.profile.onnx_macs import GraphCount, count_graph, load_graph
from workbench.profile.trace import Kernel, Pass, read_passes

if TYPE_CHECKING:
    import numpy as np

INTEGER = ("QLinear", "QGemm", "MatMulInteger", "ConvInteger", "DynamicQuantizeMatMul", "QAttention")
"""How the names of operators begin that multiply integers."""
_MAIN = ("Conv", "MatMul", "Gemm", "Attention", "Norm", "Softmax", "Gelu", "Sigmoid", "Resize", "Upsample")
"""Operators that name a layer's row, first come first; a layer without any is named by where its time goes."""
_MOVES = ("Reshape", "Transpose", "ReorderInput", "ReorderOutput", "Squeeze", "Unsqueeze")
"""Operators between a DequantizeLinear and a product that change no number."""


def profile_layers(
    path: Path,
    feed: Mapping[str, np.ndarray],
    threads: int,
    warmup: int,
    iterations: int,
    scheme: str = "fp32",
    counted: Count | None = None,
) -> Layers:
    """Runs an ONNX file ``warmup`` + ``iterations`` times with profiling on and puts every kernel on its layer.

    Args:
        path: the ONNX file, nodes named by layer.
        feed: inputs by name.
        threads: threads inside an operator.
        warmup: passes that are not counted.
        iterations: passes that are.
        scheme: what integer layers are called in the column ``scheme`` (``w8a8`` unless the candidate's differs).
        counted: MACs and parameters of the layers where they are known better than from the graph.

    Raises:
        RunError: the file can't be loaded, or the runtime wrote no profile.
    """
    exported = count_graph(path)
    with tempfile.TemporaryDirectory(prefix="workbench-profile-") as scratch:
        executed_file = Path(scratch) / "executed.onnx"
        run = session(path, threads, profile_prefix=Path(scratch) / "trace", optimized_path=executed_file)
        for _ in range(warmup + iterations):
            run.run(None, dict(feed))
        passes = read_passes(Path(run.end_profiling()))[warmup:]
        del run
        executed = load_graph(executed_file)
    if not passes or not passes[0].kernels:
        raise RunError(f"{path}: ONNX Runtime wrote no kernel times")
    return assemble(exported, executed, passes, scheme, counted)


def assemble(
    exported: GraphCount, executed: Any, passes: Sequence[Pass], scheme: str = "fp32", counted: Count | None = None
) -> Layers:
    """The layers of recorded passes; ``executed`` is the graph that the runtime says it executed."""
    import pandas as pd

    places = attribute(exported.names, executed)
    counts = {layer.layer: layer for layer in (counted or exported.count).layers}
    rows = _Rows(exported, executed, places, passes, "w8a8" if scheme == "fp32" else scheme, counts)
    table = pd.DataFrame([rows.row(layer) for layer in rows.layers] + [rows.runtime()])
    kernel = [sum(k.microseconds for k in p.kernels) / 1e3 for p in passes]
    unmapped = [sum(k.microseconds for k in p.kernels if rows.layer_of(k.node) == UNMAPPED) / 1e3 for p in passes]
    return Layers(
        table=with_shares(table),
        wall_ms=Stats(tuple(p.wall / 1e3 for p in passes)).median,
        kernel_ms=Stats(tuple(kernel)).median,
        unmapped_share=sum(unmapped) / max(sum(kernel), 1e-9),
        op_ms=_by_op(passes),
        passes=len(passes),
        integer=Integer(
            layers=_share(exported, rows.integer_products, attention=False),
            with_attention=_share(exported, rows.integer_products, attention=True),
            stored=_share(exported, rows.integer_products | rows.float_after_dequantize, attention=False),
        ),
    )


def _share(exported: GraphCount, among: set[str], attention: bool) -> float:
    counted = {name: p.macs for name, p in exported.products.items() if attention or not p.attention}
    whole = sum(counted.values())
    return sum(macs for name, macs in counted.items() if name in among) / whole if whole else 0.0


def _by_op(passes: Sequence[Pass]) -> dict[str, float]:
    per_pass = [Counter[str]() for _ in passes]
    for counter, one in zip(per_pass, passes, strict=True):
        for kernel in one.kernels:
            counter[kernel.op] += kernel.microseconds
    ops = dict.fromkeys(op for counter in per_pass for op in counter)
    found = {op: Stats(tuple(counter[op] / 1e3 for counter in per_pass)).median for op in ops}
    return dict(sorted(found.items(), key=lambda item: -item[1]))


class _Rows:
    """Kernels grouped by layer, joined with what the exported file says of the layer."""

    def __init__(
        self,
        exported: GraphCount,
        executed: Any,
        places: Mapping[str, Place],
        passes: Sequence[Pass],
        integer_scheme: str,
        counts: Mapping[str, LayerCount],
    ) -> None:
        self.counts, self.exported, self.places = counts, exported, places
        self.passes, self.integer_scheme = passes, integer_scheme
        self.times: defaultdict[str, list[float]] = defaultdict(lambda: [0.0] * len(passes))
        self.op_times: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self.kernels: defaultdict[str, list[Kernel]] = defaultdict(list)
        for i, one in enumerate(passes):
            for kernel in one.kernels:
                layer = self.layer_of(kernel.node)
                self.times[layer][i] += kernel.microseconds / 1e3
                self.op_times[layer][kernel.op] += kernel.microseconds
                if i == 0:
                    self.kernels[layer].append(kernel)
        first = passes[0].kernels
        live = live_bytes(executed, first)
        self.peak: dict[str, int] = {}
        for kernel in first:
            layer = self.layer_of(kernel.node)
            self.peak[layer] = max(self.peak.get(layer, 0), live[kernel.node])
        self.products: defaultdict[str, list[str]] = defaultdict(list)
        for name in exported.products:
            self.products[name.rsplit("/", 1)[0]].append(name)
        self.integer_products = self._integer_products(executed)
        told = {self.places[name].origin for name in _behind_dequantize(executed)}
        self.float_after_dequantize = {origin for origin in told if origin and origin in exported.products}
        silent = [layer for layer, c in self.counts.items() if c.params and layer not in self.times]
        self.layers = [*(layer for layer in self.times if layer != UNMAPPED), *silent, UNMAPPED]

    def layer_of(self, node: str) -> str:
        place = self.places.get(node)
        return (place.layer if place else None) or UNMAPPED

    def _integer_products(self, executed: Any) -> set[str]:
        origins = {self.places[node.name].origin for node in executed.node if node.op_type.startswith(INTEGER)}
        return {origin for origin in origins if origin and origin in self.exported.products}

    def row(self, layer: str) -> dict[str, Any]:
        kernels, times = self.kernels[layer], Stats(tuple(self.times[layer]))
        counted = self.counts.get(layer)
        return {
            "layer": layer,
            "op": self._op(layer),
            "scheme": self._scheme(layer),
            "calls": len(kernels),
            "latency_ms": times.median,
            "latency_iqr_ms": times.iqr,
            "macs": counted.macs if counted else 0,
            "params": counted.params if counted else 0,
            "weight_bytes": self.exported.weight_bytes.get(layer, 0),
            "activation_bytes": sum(k.output_bytes for k in kernels),
            "peak_bytes": self.peak.get(layer),
            "attention_macs": counted.attention_macs if counted else 0,
            "element_ops": counted.element_ops if counted else 0,
        }

    def _op(self, layer: str) -> str:
        if not self.kernels[layer]:
            return "(fused)" if layer != UNMAPPED else ""
        by_op = self.op_times[layer]
        for kind in _MAIN:
            named = [op for op, _ in by_op.most_common() if kind in op]
            if named:
                return named[0]
        return by_op.most_common(1)[0][0]

    def _scheme(self, layer: str) -> str:
        products = self.products[layer]
        quantized = [n for n in products if n in self.integer_products or n in self.float_after_dequantize]
        if not quantized:
            return "fp32"
        return self.integer_scheme if len(quantized) == len(products) else "mixed"

    def runtime(self) -> dict[str, Any]:
        outside = Stats(tuple(max(0.0, (p.wall - sum(k.microseconds for k in p.kernels)) / 1e3) for p in self.passes))
        return {
            "layer": RUNTIME,
            "op": "",
            "scheme": "",
            "calls": 1,
            "latency_ms": outside.median,
            "latency_iqr_ms": outside.iqr,
        }


def _behind_dequantize(executed: Any) -> set[str]:
    """Names of nodes that multiply in float what is stored as integers: both operands are dequantized before."""
    producer = {value: node for node in executed.node for value in node.output}

    def dequantized(value: str) -> bool:
        while value in producer and producer[value].op_type in _MOVES:
            value = producer[value].input[0]
        return value in producer and producer[value].op_type == "DequantizeLinear"

    floats = ("Conv", "MatMul", "Gemm", "FusedMatMul", "FusedConv", "FusedGemm")
    products = (node for node in executed.node if node.op_type in floats)
    return {node.name for node in products if all(dequantized(value) for value in node.input[:2])}
