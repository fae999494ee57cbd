"""Activations on their grid: QuantizeLinear and DequantizeLinear before the layers that take them in integers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from workbench.compress.quantize.weights.grid import Activation
from workbench.graphs.edit import add_initializer
from workbench.graphs.names import layer_of, name_new

if TYPE_CHECKING:
    import onnx_ir as ir

INTEGER_OPSET = 21
"""From here on ONNX has 4-bit and 16-bit integers in QuantizeLinear and DequantizeLinear."""


def raise_opset(model: ir.Model) -> None:
    """Makes a graph exported at opset 20 one of opset 21, whose operators differ in nothing that our exports use.

    GroupNormalization is the one with another meaning; the exporter decomposes it at opset 20.
    """
    model.opset_imports[""] = max(INTEGER_OPSET, model.opset_imports.get("", 0))
    model.ir_version = max(10, model.ir_version or 0)


def quantized_pair(model: ir.Model, value: ir.Value, grid: Activation, name: str) -> tuple[ir.Node, ir.Node]:
    """QuantizeLinear and DequantizeLinear of ``value``, not in the graph yet; ``name``: of their constants."""
    import numpy as np
    import onnx_ir as ir

    scale = add_initializer(model, f"{name}:scale", np.array(grid.scale, np.float32))
    number = np.uint8 if grid.bits == 8 else np.uint16
    zero = add_initializer(model, f"{name}:zero_point", np.array(grid.zero_point, number))
    to = ir.node("QuantizeLinear", [value, scale, zero])
    back = ir.node("DequantizeLinear", [to.outputs[0], scale, zero])
    for node, like in ((to, zero), (back, value)):
        node.outputs[0].type, node.outputs[0].shape = like.type, value.shape
    return to, back


def quantize_inputs(model: ir.Model, nodes: Iterable[ir.Node], grids: Mapping[str, Activation]) -> None:
    """Puts one pair before the first input of ``nodes``; nodes that share a tensor share the pair, and a tensor that is
    on a grid already gets none.

    Args:
        model: changed in place; needs opset 21 where a grid has more than 8 bits.
        nodes: convolutions and linears of the model.
        grids: by name of the tensor.
    """
    made: dict[str, ir.Value] = {}
    layers: dict[ir.Node, str] = {}
    for node in nodes:
        value = node.inputs[0]
        assert value is not None and value.name is not None
        name = value.name
        if on_grid(value) is not None:
            continue
        if name not in made:
            pair = quantized_pair(model, value, grids[name], name)
            model.graph.insert_before(node, pair)
            made[name] = pair[1].outputs[0]
            layers.update(dict.fromkeys(pair, layer_of(node.name or "")))
        node.replace_input_with(0, made[name])
    name_new(model, layers)


def quantize_outputs(model: ir.Model, nodes: Iterable[ir.Node], grids: Mapping[str, Activation]) -> None:
    """Puts one pair after each of ``nodes``, which everything reads that read its output.

    Args:
        model: changed in place.
        nodes: of the model, with one output each.
        grids: by name of the output.
    """
    import onnx_ir as ir

    layers: dict[ir.Node, str] = {}
    for node in nodes:
        value = node.outputs[0]
        name = str(value.name)
        pair = quantized_pair(model, value, grids[name], name)
        ir.convenience.replace_all_uses_with(value, pair[1].outputs[0], replace_graph_outputs=True)
        pair[0].replace_input_with(0, value)
        model.graph.insert_after(node, pair)
        layers.update(dict.fromkeys(pair, layer_of(node.name or "")))
        if pair[1].outputs[0].is_graph_output():
            value.name, pair[1].outputs[0].name = f"{node.name}:0", name
    name_new(model, layers)


def on_grid(value: ir.Value) -> float | None:
    """The scale of a tensor that comes out of a DequantizeLinear; None: it comes from elsewhere."""
    producer = value.producer()
    if producer is None or producer.op_type != "DequantizeLinear":
        return None
    scale = producer.inputs[1]
    assert scale is not None and scale.const_value is not None
    return float(scale.const_value.numpy())
