"""The ONNX Runtime backend: QuantizeLinear and DequantizeLinear around convolutions and linears.

Weights int8, symmetric; activations uint8, one scale per tensor: the pair that x86's int8 instructions take without a
detour (signed activations: 17.6 instead of 15.2 ms). A linear's output stays float; a convolution's is quantized,
because the runtime's int8 convolution needs it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from workbench.compress.quantize.onnx.write_activations import quantize_inputs, quantize_outputs
from workbench.compress.quantize.onnx.write_weights import put_eight_bits
from workbench.compress.quantize.weights.grid import Activation, Rounded
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
) -> None:
    """Puts the quantization of ``nodes`` into the graph: every node that was there keeps its name, the new ones get
    their layer's.

    What else reads a layer's input goes on reading it in float; all that reads a convolution's output reads integers,
    which are what its kernel gives.

    Args:
        model: changed in place; weights of other nodes aren't read.
        rounded: weights of ``nodes``, int8 per channel or per tensor, by node name.
        ranges: (low, high) of the tensors that ``tensors_of`` names.
    """
    grids = {name: Activation(*ends, 8) for name, ends in ranges.items()}
    quantize_outputs(model, [node for node in nodes if node.op_type == "Conv"], grids)
    quantize_inputs(model, nodes, grids)
    for node in nodes:
        put_eight_bits(model, node, rounded[str(node.name)])


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
