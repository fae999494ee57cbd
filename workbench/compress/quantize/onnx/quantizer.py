"""The ONNX Runtime backend: ranges, weights on their grid, and both written into the parent's graph.

A scheme whose activations are 8-bit integers like its weights is written so that the runtime's int8 kernels take it
(``qdq``); the other ones have no kernels on a CPU, so their form is the one that compilers for NPUs read. Weights alone
are stored packed and unpacked by the runtime.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from workbench.compress.quantize.calibration.moments import Moments
from workbench.compress.quantize.calibration.ranges import Ranges
from workbench.compress.quantize.calibration.samples import Samples
from workbench.compress.quantize.onnx import write_weights
from workbench.compress.quantize.onnx.attention import attention_products, quantize_attention
from workbench.compress.quantize.onnx.first_token import keep_first_token
from workbench.compress.quantize.onnx.gemm import biased_linears_as_gemm
from workbench.compress.quantize.onnx.qdq import nodes_of, quantize_qdq, tensors_of
from workbench.compress.quantize.onnx.split_shortcuts import split_shortcuts
from workbench.compress.quantize.onnx.write_activations import quantize_inputs, raise_opset
from workbench.compress.quantize.weights.grid import Activation, Rounded
from workbench.compress.quantize.weights.groups import grid_of
from workbench.compress.quantize.weights.rounding import Rounding, round_weights
from workbench.export.onnx import save
from workbench.graphs.names import layer_of
from workbench.models.schemes import SCHEMES
from workbench.runtimes.onnxruntime.session import session

if TYPE_CHECKING:
    import numpy as np
    import onnx_ir as ir

    from workbench.compress.quantize.calibration.trajectory import Inputs
    from workbench.compress.quantize.qat import QatResult

MOMENT_PASSES = 64
"""Passes that second moments of inputs are taken over, spread over all kept ones: more change the rounding little."""


@dataclass(frozen=True)
class Settings:
    """What the graph becomes. ``first_state``: the first token's text state [1, 1, D], where that stays in float."""

    scheme: str
    granularity: str
    group_size: int | None
    rounding: Rounding
    unpack: Literal["load", "pass"] = "load"
    split: bool = False
    first_state: np.ndarray | None = None
    softmax_bits: int | None = None
    """Bits of the softmax's output where attention's own products are quantized too; None leaves them in float."""


@dataclass
class Gathered:
    """What the rounding found, by node and by tensor, and what it took."""

    rounded: dict[str, Rounded]
    ranges: Mapping[str, tuple[float, float]]
    seconds: dict[str, float]
    passes: int
    by_scale_search: dict[str, str]
    """Nodes that were rounded by scale search, with the reason why no second moments of their input are known."""


@dataclass
class Quantizer:
    """One component's graph on its way: ``gather`` once, then ``write``, from the parent's graph or a trained one's."""

    parent: Path
    layers: Collection[str]
    settings: Settings
    work: Path
    _notes: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def model(self) -> ir.Model:
        """The parent's graph with the changes that come before quantization, weights in memory."""
        return self._prepared(self.parent)

    def nodes(self) -> list[ir.Node]:
        """The nodes that are quantized."""
        return nodes_of(self.model, self.layers)

    def widths(self) -> dict[str, int]:
        """Row width of every quantized layer's weight."""
        return {layer_of(str(n.name)): write_weights.matrix_of(n).shape[1] for n in self.nodes()}

    def gather(self, samples: Samples) -> Gathered:
        """Runs the parent on the samples and rounds its weights."""
        nodes, scheme = self.nodes(), SCHEMES[self.settings.scheme]
        prepared = self.work / "prepared.onnx"
        save(self.model, prepared)
        calibration = samples.config
        ranges = None
        if scheme.activation_bits:
            bits = scheme.activation_bits
            ranges = Ranges(prepared, self._tensors(nodes), self.work, calibration.method, calibration.percentile, bits)
        wants = self.settings.rounding == "gptq"
        moments = Moments(prepared, [str(n.name) for n in nodes], self.work) if wants else None
        start = time.monotonic()
        passes = _run(samples, self.parent, ranges, moments)
        seconds = {"gather": time.monotonic() - start}
        start = time.monotonic()
        seen = moments.result() if moments else {}
        rounded, searched = {}, dict[str, str]()
        with samples.context.progress(f"round {samples.component}", len(nodes)) as tick:
            for done, node in enumerate(nodes, 1):
                name = str(node.name)
                method = self.settings.rounding
                if method == "gptq" and name not in seen:
                    method = "mse"
                    searched[name] = moments.skipped.get(name, "") if moments else ""
                matrix = write_weights.matrix_of(node)
                grid = grid_of(scheme.weight_bits, self.settings.granularity, matrix.shape[1], self.settings.group_size)
                rounded[name] = round_weights(matrix, grid, method, seen.get(name))
                tick(done)
        seconds["round"] = time.monotonic() - start
        return Gathered(rounded, ranges.result() if ranges else {}, seconds, passes, searched)

    def write(self, rounded: Mapping[str, Rounded], ranges: Mapping[str, tuple[float, float]], out: Path) -> None:
        """Writes the quantized graph of the parent."""
        self._write(self.model, rounded, ranges, out)

    def write_trained(
        self, trained: Path, rounded: Mapping[str, Rounded], ranges: Mapping[str, tuple[float, float]], out: Path
    ) -> None:
        """The same for another export of the same architecture, whose biases and norms were trained."""
        self._write(self._prepared(trained), rounded, ranges, out)

    def notes(self) -> dict[str, Any]:
        """What the changes before quantization did, for the report."""
        return self._notes

    def _prepared(self, path: Path) -> ir.Model:
        model = in_memory(path)
        if self.settings.split:
            self._notes["shortcuts_split"] = split_shortcuts(model, self.layers)
        if self.settings.first_state is not None:
            self._notes["first_token_float"] = keep_first_token(model, self.layers, self.settings.first_state)
        if self.settings.scheme == "w8a8":
            biased_linears_as_gemm(model, self.layers)
        return model

    def _tensors(self, nodes: list[ir.Node]) -> list[str]:
        names = set(tensors_of(nodes))
        if self.settings.softmax_bits is not None:
            names |= {name for product in attention_products(self.model) for name in product.tensors}
        return sorted(names)

    def _write(
        self, model: ir.Model, rounded: Mapping[str, Rounded], ranges: Mapping[str, tuple[float, float]], out: Path
    ) -> None:
        scheme = SCHEMES[self.settings.scheme]
        nodes = nodes_of(model, self.layers)
        if self.settings.scheme == "w8a8":
            quantize_qdq(model, nodes, rounded, ranges, out)
            return self._attention(out, ranges)
        raise_opset(model)
        if scheme.activation_bits is not None:
            bits = scheme.activation_bits
            quantize_inputs(model, nodes, {name: Activation(*ends, bits) for name, ends in ranges.items()})
        for node in nodes:
            self._put(model, node, rounded[str(node.name)])
        if scheme.activation_bits is None:
            write_weights.halve_rest(model)
        write_weights.drop_unused(model)
        write_weights.tell_once(model)
        save(model, out)
        return self._attention(out, ranges)

    def _put(self, model: ir.Model, node: ir.Node, rounded: Rounded) -> None:
        if SCHEMES[self.settings.scheme].integer_activations or (
            self.settings.unpack == "pass" and node.op_type == "Conv"
        ):
            write_weights.put_dequantized(model, node, rounded)
        elif node.op_type != "Conv" and rounded.grid.group in write_weights.PACKED_BLOCKS:
            write_weights.put_packed(model, node, rounded)
        else:
            write_weights.put_unpacked(model, node, rounded)

    def _attention(self, out: Path, ranges: Mapping[str, tuple[float, float]]) -> None:
        """Attention's own products, last: what was before has its form by then."""
        if self.settings.softmax_bits is None:
            return
        model = in_memory(out)
        raise_opset(model)
        bits = SCHEMES[self.settings.scheme].activation_bits or 8
        self._notes["attention_products"] = quantize_attention(model, ranges, bits, self.settings.softmax_bits)
        save(model, out)


def in_memory(path: Path) -> ir.Model:
    """The model with its weights, which the quantizers couldn't find beside a file that they aren't told of."""
    import onnx_ir as ir

    model = ir.load(path)
    ir.external_data.load_to_model(model)
    return model


ByLayer = tuple[dict[str, Rounded], dict[str, Activation], dict[str, Activation]]
"""Weights, inputs and outputs on their grids, by path of the layer."""


def by_layer(nodes: list[ir.Node], gathered: Gathered, bits: int | None, outputs: bool) -> ByLayer:
    """What was gathered as training takes it; ``bits`` of activations; ``outputs``: those of convolutions as well."""
    paths = {str(node.name): layer_of(str(node.name)) for node in nodes}
    rounded = {paths[name]: weight for name, weight in gathered.rounded.items()}
    if bits is None:
        return rounded, {}, {}
    before, after = {}, {}
    for node in nodes:
        path, value = paths[str(node.name)], node.inputs[0]
        assert value is not None
        before[path] = Activation(*gathered.ranges[str(value.name)], bits)
        if outputs and node.op_type == "Conv":
            after[path] = Activation(*gathered.ranges[str(node.outputs[0].name)], bits)
    return rounded, before, after


def by_tensor(nodes: list[ir.Node], trained: QatResult) -> tuple[dict[str, Rounded], dict[str, tuple[float, float]]]:
    """Trained weights by node and ranges by tensor, which is what ``write`` takes."""
    rounded, ranges = {}, {}
    for node in nodes:
        path = layer_of(str(node.name))
        rounded[str(node.name)] = trained.rounded[path]
        for value, grids in ((node.inputs[0], trained.inputs), (node.outputs[0], trained.outputs)):
            if path in grids and value is not None:
                ranges[str(value.name)] = (grids[path].low, grids[path].high)
    return rounded, ranges


def _run(samples: Samples, parent: Path, ranges: Ranges | None, moments: Moments | None) -> int:
    """Runs what gathers on every kept input and returns how many those were; with nothing to gather, runs nothing."""
    if ranges is None and moments is None:
        return 0
    every, kept = max(1, samples.count() // MOMENT_PASSES), 0

    @cache
    def plain() -> Any:
        # Only where some inputs aren't kept: at full size it is 2.6 GB.
        return session(parent)

    def run(inputs: Inputs, keep: bool) -> np.ndarray:
        nonlocal kept
        out = None
        if keep and ranges is not None:
            out = ranges.run(inputs)
        if keep and moments is not None and kept % every == 0:
            out = moments.run(inputs)
        kept += keep
        return plain().run(None, inputs)[0] if out is None else out

    return sum(1 for _ in samples.calibrate(run))
