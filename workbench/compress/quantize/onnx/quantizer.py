"""The ONNX Runtime backend: ranges, weights on their grid, and both written into the parent's graph.

A scheme whose activations are 8-bit integers like its weights is written so that the runtime's int8 kernels take it
(``qdq``); the other ones have no kernels on a CPU, so their form is the one that compilers for NPUs read. Weights alone
are stored packed and unpacked by the runtime.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.compress.quantize.backends import Task
from workbench.compress.quantize.calibration.moments import Moments
from workbench.compress.quantize.calibration.observe import Observed
from workbench.compress.quantize.calibration.ranges import Ranges
from workbench.compress.quantize.calibration.resume import Checkpoint, Folded
from workbench.compress.quantize.onnx import write_weights
from workbench.compress.quantize.onnx.attention import attention_products, quantize_attention
from workbench.compress.quantize.onnx.first_token import first_state, keep_first_token
from workbench.compress.quantize.onnx.gemm import biased_linears_as_gemm
from workbench.compress.quantize.onnx.qdq import nodes_of, quantize_qdq, tensors_of
from workbench.compress.quantize.onnx.split_shortcuts import split_shortcuts
from workbench.compress.quantize.onnx.write_activations import quantize_inputs, raise_opset
from workbench.compress.quantize.weights.grid import Activation, Rounded
from workbench.compress.quantize.weights.groups import grid_of
from workbench.compress.quantize.weights.rounding import round_weights
from workbench.export.onnx import save
from workbench.graphs.names import layer_of
from workbench.models.schemes import SCHEMES

if TYPE_CHECKING:
    import numpy as np
    import onnx_ir as ir

    from workbench.compress.quantize.calibration.trajectory import Inputs
    from workbench.compress.quantize.qat import QatResult

MOMENT_PASSES = 64
"""Passes that second moments of inputs are taken over, spread over all kept ones: more change the rounding little."""
ByTensor = Mapping[str, tuple[float, float]]
"""(low, high) by the tensor's name."""


@dataclass(frozen=True)
class Gathered:
    """Weights on their grid by node, ranges by tensor, and what both took."""

    rounded: dict[str, Rounded]
    ranges: ByTensor
    seconds: dict[str, float]
    passes: int
    by_scale_search: dict[str, str]
    """Nodes that were rounded by scale search, with the reason why no second moments of their input are known."""


class Quantizer:
    """One component's graph on its way: ``gather`` once, then ``write``, from the parent's graph or a trained one's.

    ``model`` is the parent's graph with the changes that come before quantization; ``nodes`` are those of it that are
    quantized; ``notes`` say what the changes did, for the report. Weights stay in their file until one is rounded.
    """

    def __init__(self, task: Task) -> None:
        self._task, self._scheme, self._softmax_bits = (
            task,
            SCHEMES[task.config.scheme],
            task.config.special().softmax_bits,
        )
        self.notes: dict[str, Any] = {}
        self.model = self._prepared(task.parent)
        self.nodes = nodes_of(self.model, task.chosen)

    def widths(self) -> dict[str, int]:
        """Row width of every quantized layer's weight."""
        return {layer_of(str(n.name)): write_weights.row_width(n) for n in self.nodes}

    def gather(self) -> Gathered:
        """Runs the parent on the samples and rounds its weights."""
        config, samples = self._task.config, self._task.samples
        names = [str(node.name) for node in self.nodes]
        calibration, ranges = samples.config, None
        if bits := self._scheme.activation_bits:
            ranges = Ranges(self._tensors(), calibration.method, calibration.percentile, bits)
        granularity, rounding = config.how_weights()
        moments = Moments(self.nodes) if rounding == "gptq" else None
        start = time.monotonic()
        passes = self._run(ranges, moments)
        seconds = {"gather": time.monotonic() - start}
        start = time.monotonic()
        seen = moments.result() if moments else {}
        searched = {name: moments.skipped.get(name, "") for name in names if name not in seen} if moments else {}
        rounded = {}
        with samples.context.progress(f"round {samples.component}", len(names)) as tick:
            for done, (name, node) in enumerate(zip(names, self.nodes, strict=True), 1):
                matrix = write_weights.matrix_of(node)
                grid = grid_of(self._scheme.weight_bits, granularity, matrix.shape[1], config.group_size)
                rounded[name] = round_weights(matrix, grid, "mse" if name in searched else rounding, seen.get(name))
                tick(done)
        seconds["round"] = time.monotonic() - start
        return Gathered(rounded, ranges.result() if ranges else {}, seconds, passes, searched)

    def write(self, rounded: Mapping[str, Rounded], ranges: ByTensor, trained: Path | None = None) -> None:
        """Writes the task's file: the parent's graph quantized, or that of another export of the same architecture
        (``trained``), whose biases and norms were trained."""
        model = self.model if trained is None else self._prepared(trained)
        nodes, bits, out = nodes_of(model, self._task.chosen), self._scheme.activation_bits, self._task.out
        if self._task.config.scheme == "w8a8":
            quantize_qdq(model, nodes, rounded, ranges)
        else:
            raise_opset(model)
            if bits is not None:
                quantize_inputs(model, nodes, {name: Activation(*ends, bits) for name, ends in ranges.items()})
            for node in nodes:
                self._put(model, node, rounded[str(node.name)])
            if bits is None:
                write_weights.halve_rest(model)
        if self._softmax_bits is not None:  # attention's own products come last: what was before has its form by then
            self.notes["attention_products"] = quantize_attention(model, ranges, bits or 8, self._softmax_bits)
        write_weights.drop_unused(model)
        write_weights.drop_known_types(model)
        save(model, out)

    def _run(self, ranges: Ranges | None, moments: Moments | None) -> int:
        """Hands what gathers the values of every kept pass and returns how many those were; with nothing to gather,
        runs nothing."""
        if ranges is None and moments is None:
            return 0
        samples = self._task.samples
        tensors = {*(ranges.tensors if ranges else ()), *(moments.tensors if moments else ())}
        observed = Observed(self.model, self._task.parent, tensors, ranges.extremes if ranges else ())
        parts: dict[str, Folded] = {
            name: part for name, part in (("ranges", ranges), ("moments", moments)) if part is not None
        }
        saved = Checkpoint(samples.context.state / f"calibration.{samples.component}.safetensors", parts)
        kept = before = saved.restore()
        every = max(1, samples.count() // MOMENT_PASSES)

        def run(inputs: Inputs, keep: bool) -> np.ndarray:
            nonlocal kept
            out, values = observed.run(inputs)
            if keep and ranges is not None:
                ranges.add(values)
            if keep and moments is not None and kept % every == 0:
                moments.add(values)
            kept += keep
            return out

        for _ in samples.calibrate(run, before):
            if kept % samples.each == 0:
                saved.keep(kept)
        return kept

    def _prepared(self, path: Path) -> ir.Model:
        import onnx_ir as ir

        model, task, special = ir.load(path), self._task, self._task.config.special()
        if special.split:
            self.notes["shortcuts_split"] = split_shortcuts(model, task.chosen)
        if special.first_token and task.samples.denoises:
            base = task.context.base
            text = task.context.export(task.context.parent, base.family.prompt_encoder.name)
            first = first_state(text, base.source / "tokenizer")
            self.notes["first_token_float"] = keep_first_token(model, task.chosen, first)
        if task.config.scheme == "w8a8":
            biased_linears_as_gemm(model, task.chosen)
        return model

    def _tensors(self) -> list[str]:
        names = set(tensors_of(self.nodes))
        if self._softmax_bits is not None:
            names |= {name for product in attention_products(self.model) for name in product.tensors}
        return sorted(names)

    def _put(self, model: ir.Model, node: ir.Node, rounded: Rounded) -> None:
        every_pass = self._task.config.unpack == "pass" and node.op_type == "Conv"
        if self._scheme.integer_activations or every_pass:
            write_weights.put_dequantized(model, node, rounded)
        elif node.op_type != "Conv" and rounded.grid.group in write_weights.PACKED_BLOCKS:
            write_weights.put_packed(model, node, rounded)
        else:
            write_weights.put_unpacked(model, node, rounded)


def in_memory(path: Path) -> ir.Model:
    """The model with its weights, as the quantizers aren't given the file that the rest lies beside."""
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
