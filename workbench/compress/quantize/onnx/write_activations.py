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
    """Puts one pair before the first input of ``nodes``; nodes that share a tensor share the pair.

    Args:
        model: changed in place; needs opset 21.
        nodes: convolutions and linears of the model.
        grids: by name of the tensor.
    """
    made: dict[str, ir.Value] = {}
    layers: dict[ir.Node, str] = {}
    for node in nodes:
        value = node.inputs[0]
        assert value is not None and value.name is not None
        name = value.name
        if name not in made:
            pair = quantized_pair(model, value, grids[name], name)
            model.graph.insert_before(node, pair)
            made[name] = pair[1].outputs[0]
            layers.update(dict.fromkeys(pair, layer_of(node.name or "")))
        node.replace_input_with(0, made[name])
    name_new(model, layers)
