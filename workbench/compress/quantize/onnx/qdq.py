"""The ONNX Runtime backend: QuantizeLinear and DequantizeLinear around convolutions and linears.

Weights int8, symmetric; activations uint8, one scale per tensor: the pair that x86's int8 instructions take without a
detour (signed activations: 17.6 instead of 15.2 ms). A linear's output stays float; a convolution's is quantized,
because the runtime's int8 convolution needs it.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.compress.quantize.onnx.write_weights import drop_unused, output_axis, put_float
from workbench.compress.quantize.weights.grid import Rounded
from workbench.export.onnx import save
from workbench.graphs.names import ROOT, layer_of, name_new

if TYPE_CHECKING:
    import onnx_ir as ir

OPS = ("Conv", "Gemm", "MatMul")


def nodes_of(model: ir.Model, layers: Collection[str]) -> list[ir.Node]:
    """The nodes that compute the named layers: their Conv, Gemm or MatMul with a constant weight."""
    return [
        node
        for node in model.graph
        if node.op_type in OPS
        and layer_of(node.name or "") in layers
        and node.inputs[1] is not None
        and node.inputs[1].const_value is not None
    ]


def tensors_of(nodes: Collection[ir.Node]) -> list[str]:
    """Tensors whose range the quantization of ``nodes`` needs."""
    names = {node.inputs[0].name for node in nodes if node.inputs[0] is not None}
    names |= {node.outputs[0].name for node in nodes if node.op_type == "Conv"}
    return sorted(name for name in names if name)


def quantize_qdq(
    model: ir.Model,
    nodes: Collection[ir.Node],
    rounded: Mapping[str, Rounded],
    ranges: Mapping[str, tuple[float, float]],
    out: Path,
) -> None:
    """Writes the QDQ model to ``out``; every node that was there keeps its name, the new ones get their layer's.

    Args:
        model: its weights in memory; changed.
        rounded: weights of ``nodes``, int8 per channel or per tensor, by node name.
        ranges: (low, high) of the tensors that ``tensors_of`` names.
    """
    import numpy as np
    import onnx_ir as ir
    from onnxruntime.quantization import CalibrationMethod, QuantType
    from onnxruntime.quantization.calibrate import TensorData, TensorsData
    from onnxruntime.quantization.qdq_quantizer import QDQQuantizer
    from onnxruntime.quantization.quant_utils import add_infer_metadata

    per_channel = not any(weight.grid.per_tensor for weight in rounded.values())
    scales: dict[str, list[dict[str, Any]]] = {}
    for node in nodes:
        # The weight goes in as it comes out, and with its scale: the quantizer then has nothing left to choose.
        weight = rounded[str(node.name)]
        value = put_float(model, node, weight.weights())
        warnings = [
            {"quant_type": QuantType.QInt8, "scale": scale, "zero_point": np.array(0, np.int8)}
            for scale in weight.scales.reshape(-1)
        ]
        if per_channel:
            warnings[0]["axis"] = output_axis(node)
        scales[str(value.name)] = warnings
    drop_unused(model)
    data = {n: TensorData(lowest=np.float32(low), highest=np.float32(high)) for n, (low, high) in ranges.items()}
    proto = ir.to_proto(model)
    add_infer_metadata(proto)  # shapes are in it; else the quantizer infers them by way of a temporary file
    quantizer = QDQQuantizer(
        proto,
        per_channel,
        False,
        QuantType.QInt8,
        QuantType.QUInt8,
        TensorsData(CalibrationMethod.MinMax, data),
        [node.name for node in nodes],
        [],
        list(OPS),
        {
            "WeightSymmetric": True,
            "OpTypesToExcludeOutputQuantization": ["MatMul", "Gemm"],
            "TensorQuantOverrides": scales,
        },
    )
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)  # it logs to the root logger
    try:
        quantizer.quantize_model()
    finally:
        root.setLevel(level)
    made = ir.from_proto(quantizer.model.model)
    name_quantization(made)
    save(made, out)


def name_quantization(model: ir.Model) -> None:
    """Gives QuantizeLinear and DequantizeLinear nodes the layer that they are there for.

    A pair after a convolution belongs to the convolution, one before a layer to that layer, a weight's to its user.
    """
    model.graph.sort()  # the quantizers append some of their nodes at the end, where ONNX doesn't allow them
    kinds = ("QuantizeLinear", "DequantizeLinear")
    added = {node for node in model.graph if node.op_type in kinds}
    layers: dict[ir.Node, str] = {}
    for node in model.graph:
        if node not in added:
            continue
        before = node.inputs[0].producer() if node.inputs[0] is not None else None
        if before is not None and before in layers:
            layers[node] = layers[before]
        elif before is not None and before.op_type == "Conv":
            layers[node] = layer_of(before.name or "")
        else:
            user = next((u.node for u in node.outputs[0].uses()), None)
            while user is not None and user in added:
                user = next((u.node for u in user.outputs[0].uses()), None)
            near = user or before
            layers[node] = layer_of(near.name or "") if near is not None else ROOT
    name_new(model, layers)
    for node in model.graph:  # a quantized graph output was moved to another value, under a name of the quantizer's
        for i, value in enumerate(node.outputs):
            if not value.is_graph_output():
                value.name = f"{node.name}:{i}"
