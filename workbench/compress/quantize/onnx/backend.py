"""The ONNX Runtime backend: our own ranges and rounding in the parent's graph, after training or with training."""

from __future__ import annotations

import logging
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.compress.quantize.backends import Backend, Task
from workbench.compress.quantize.weights.groups import group_problem
from workbench.errors import InputError
from workbench.export.onnx import save
from workbench.graphs.names import ROOT, layer_of, name_new
from workbench.models.schemes import SCHEMES

if TYPE_CHECKING:
    import onnx_ir as ir


_PRODUCTS = frozenset({"Conv", "Gemm", "MatMul"})


def _make(task: Task) -> dict[str, Any]:
    from workbench.compress.quantize.onnx.quantizer import Quantizer, by_layer, by_tensor

    context, config = task.context, task.config
    if config.scheme == "fp16":
        to_fp16(task.parent, task.exempt, task.out)
        return {}
    quantizer = Quantizer(task)
    wrong = group_problem(quantizer.widths(), config.group_size) if config.group_size else None
    if wrong:
        raise InputError(f"quantize.group_size: {wrong}")
    gathered = quantizer.gather()
    report: dict[str, Any] = {
        "calibration": task.samples.summary() | {"passes": gathered.passes},
        "seconds_of": {key: round(value, 1) for key, value in gathered.seconds.items()},
        "rounded_by_scale_search": gathered.by_scale_search,
    }
    if config.method == "ptq":
        quantizer.write(gathered.rounded, gathered.ranges)
    else:
        from workbench.compress.quantize.qat import train_quantized

        bits = SCHEMES[config.scheme].activation_bits
        start_at = by_layer(quantizer.nodes, gathered, bits, outputs=config.scheme == "w8a8")
        trained = train_quantized(context, config.qat, *start_at, context.out / "trained")
        export = context.export(context.parent.with_denoiser(trained.folder), task.samples.component)
        quantizer.write(*by_tensor(quantizer.nodes, trained), export)
        report["training"] = trained.report
    return report | quantizer.notes


def to_fp16(source: Path, exempt: Collection[str], out: Path) -> None:
    """Writes the model in float16 to ``out``, its inputs and outputs and the layers in ``exempt`` float32 as before.

    The runtimes' CPU kernels compute in float32 and convert on the way, unless the processor has half-precision
    arithmetic. Weights stay in their file until they are written, one by one: a model in memory ends at 2 GiB.
    """
    import onnx_ir as ir
    from onnxruntime.transformers.float16 import convert_float_to_float16

    model = ir.load(source)
    known = {node.name for node in model.graph}
    keep = [node.name for node in model.graph if layer_of(node.name or "") in exempt]
    ends = [str(value.name) for value in (*model.graph.inputs, *model.graph.outputs)]
    weights = _set_aside(model.graph, keep)
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)
    try:
        made = convert_float_to_float16(ir.to_proto(model), keep_io_types=ends, node_block_list=keep)
    finally:
        root.setLevel(level)
    half = ir.from_proto(made)
    for value in [value for value in half.graph.inputs if value.name in weights]:
        half.graph.inputs.remove(value)
        value.const_value = _halved(weights[str(value.name)])
        half.graph.register_initializer(value)
    half.graph.sort()
    name_new(half, {node: _layer(node) for node in half.graph if node.name not in known})
    save(half, out)


def _set_aside(graph: ir.Graph, keep: Collection[str | None]) -> dict[str, ir.TensorProtocol]:
    """Makes inputs of the weights that only products in float16 read; their values by name."""
    import onnx_ir as ir

    weights = {}
    for name, value in list(graph.initializers.items()):
        readers = [use.node for use in value.uses()]
        products = readers and all(n.op_type in _PRODUCTS and n.name not in keep for n in readers)
        if products and value.const_value is not None and value.const_value.dtype == ir.DataType.FLOAT:
            weights[name] = value.const_value
            del graph.initializers[name]
            value.dtype, value.shape = value.const_value.dtype, ir.Shape(value.const_value.shape.numpy())
            value.const_value = None
            graph.inputs.append(value)
    return weights


def _halved(weight: ir.TensorProtocol) -> ir.TensorProtocol:
    import onnx_ir as ir
    from onnxruntime.transformers.float16 import convert_np_to_float16

    def made() -> ir.TensorProtocol:
        return ir.tensor(convert_np_to_float16(weight.numpy()))

    return ir.LazyTensor(made, ir.DataType.FLOAT16, ir.Shape(weight.shape.numpy()), name=weight.name)


def _layer(node: ir.Node) -> str:
    """A conversion belongs to the layer that reads it; at the end of the graph to the one that made the value."""
    user = next((u.node for u in node.outputs[0].uses()), None)
    near = user if user is not None else node.inputs[0].producer() if node.inputs[0] is not None else None
    return layer_of(near.name or "") if near is not None else ROOT


BACKEND = Backend(
    name="onnxruntime",
    order=1,
    runtime="onnxruntime",
    about="our own ranges and rounding, in ONNX",
    schemes=("fp16", "w8a8", "w8a16", "w4a16", "w4a8"),
    make=_make,
    settings=frozenset({"granularity", "group_size", "rounding"}),
    special=True,
    trains=True,
    gains={"w4a16": ({"unpack": "pass"},)},
)
