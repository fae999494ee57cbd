"""Multiply-accumulates and weights of an OpenVINO model, operation by operation, and which of them are integers."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from workbench.graphs.costs import NodeCost
from workbench.graphs.names import layer_of

if TYPE_CHECKING:
    import onnx

PRODUCTS = (
    "Convolution", "GroupConvolution", "ConvolutionBackpropData", "GroupConvolutionBackpropData", "MatMul",
    "ScaledDotProductAttention",
)  # fmt: skip
_CARRIES = ("Multiply", "Subtract", "Convert", "Reshape", "Transpose", "FakeQuantize", "Unsqueeze", "Squeeze")
"""Operations that keep a weight a weight, and a quantized value one."""
_WITHOUT_BIASES, _INSERTED = "/WithoutBiases", "/fq_"
_INTEGERS = ("i8", "u8", "i4", "u4", "i2", "u2")


def costs_of(model: Any) -> list[NodeCost]:
    """The cost of every product of an ``openvino.Model`` whose shapes are static; the others are left out."""
    costs = []
    for node in model.get_ordered_ops():
        if node.get_type_name() in PRODUCTS and (macs := _macs(node)) is not None:
            name, weight = onnx_name(node.get_friendly_name()), weight_of(node)
            weights = math.prod(weight.get_output_shape(0)) if weight is not None else 0
            integer = all(_stored(value, _is_integer) is not None for value in node.input_values()[:2])
            costs.append(NodeCost(name, layer_of(name), node.get_type_name(), macs, weights, integer))
    return costs


def weight_of(node: Any) -> Any | None:
    """The constant that holds a product's weights; None where it multiplies two activations."""
    return _stored(node.input_value(1), lambda source: source.get_type_name() == "Constant")


def constant_bytes(model: Any, layer_at: Callable[[str], str | None]) -> dict[str, int]:
    """Bytes of constants by layer, as the file stores them; ``layer_at`` gives the layer that a name speaks of.

    A constant belongs to the layer in its name, else to that of the nearest operation that uses it. Those of 64-bit
    integers are left out: shapes and indices, which OpenVINO makes many of while it reads an ONNX file.
    """
    sizes: defaultdict[str, int] = defaultdict(int)
    for node in model.get_ops():
        kind = node.get_output_element_type(0) if node.get_type_name() == "Constant" else None
        if kind is not None and kind.to_string() != "i64":
            layer = _layer_of_constant(node, layer_at)
            if layer is not None:
                sizes[layer] += math.ceil(math.prod(node.get_output_shape(0)) * kind.bitwidth / 8)
    return dict(sizes)


def onnx_name(name: str) -> str:
    """A friendly name without what OpenVINO's reader of ONNX files puts behind a product apart from its bias."""
    return name.removesuffix(_WITHOUT_BIASES)


def names_graph(model: Any) -> onnx.GraphProto:
    """The operations of an OpenVINO model as ONNX nodes: their names and who reads whose values, and nothing else.

    That is what the layers of a graph are found by. Operations that NNCF put in are named after others (``…/fq_…``);
    here they have no name, so that they belong to their neighbours. Constants keep theirs as values.
    """
    import onnx

    graph = onnx.GraphProto()
    values: dict[tuple[str, int], str] = {}
    for op in model.get_ordered_ops():
        kind, friendly = op.get_type_name(), op.get_friendly_name()
        read = [values[value.get_node().get_friendly_name(), value.get_index()] for value in op.input_values()]
        if kind == "Result":
            graph.output.add(name=read[0])
            continue
        made = [friendly] if kind in ("Constant", "Parameter") else [f"value_{len(values)}"]
        made += [f"{made[0]}_{i}" for i in range(1, op.get_output_size())]
        values |= {(friendly, i): name for i, name in enumerate(made)}
        if kind == "Constant":
            graph.initializer.add(name=friendly, data_type=onnx.TensorProto.FLOAT)
        elif kind == "Parameter":
            graph.input.add(name=friendly)
        else:
            name = "" if _INSERTED in friendly else friendly.replace(_WITHOUT_BIASES, "#WithoutBiases")
            graph.node.add(name=name, op_type=kind, input=read, output=made)
    return graph


def _layer_of_constant(constant: Any, layer_at: Callable[[str], str | None]) -> str | None:
    seen, layer = [constant], None
    while seen and layer is None:
        layer = next((at for node in seen if (at := layer_at(node.get_friendly_name())) is not None), None)
        seen = [port.get_node() for node in seen for value in node.outputs() for port in value.get_target_inputs()]
        seen = seen[:16]  # a shape that half the graph uses belongs to no layer worth a search
    return layer


def _stored(value: Any, wanted: Callable[[Any], bool]) -> Any | None:
    """The operation that ``value`` comes from by way of ``_CARRIES`` with constants alone; None when there is none."""
    source = value.get_node()
    while not wanted(source):
        if source.get_type_name() not in _CARRIES or not all(_is_constant(v) for v in source.input_values()[1:]):
            return None
        source = source.input_value(0).get_node()
    return source


def _is_integer(source: Any) -> bool:
    if source.get_type_name() == "FakeQuantize":
        return source.get_attributes()["levels"] <= 256
    return source.get_output_element_type(0).to_string() in _INTEGERS


def _is_constant(value: Any) -> bool:
    source = value.get_node()
    while source.get_type_name() in _CARRIES:
        source = source.input_value(0).get_node()
    return source.get_type_name() == "Constant"


def _macs(node: Any) -> int | None:
    kind = node.get_type_name()
    inputs = [value.get_partial_shape() for value in node.input_values()]
    out = node.get_output_partial_shape(0)
    operands = inputs[:3] if kind == "ScaledDotProductAttention" else inputs[:2]
    if any(shape.is_dynamic for shape in (*operands, out)):
        return None
    left, right = list(inputs[0].to_shape()), list(inputs[1].to_shape())
    elements = math.prod(out.to_shape())
    if kind == "MatMul":
        return elements * left[-2 if node.get_attributes()["transpose_a"] and len(left) > 1 else -1]
    if kind == "ScaledDotProductAttention":  # queries × keys, then × values
        return math.prod(left) * right[-2] + elements * right[-2]
    per_value = math.prod(right[2 if kind.startswith("Group") else 1 :])
    return (math.prod(left) if "Backprop" in kind else elements) * per_value
