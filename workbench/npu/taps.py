"""Tensors from inside a network as further outputs, so that two who compute it can be compared layer by layer."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.graphs.layer_names import Names
from workbench.graphs.read import read_model
from workbench.graphs.shapes import resolve

if TYPE_CHECKING:
    from workbench.measure.network import Network

_CASTS = ("QuantizeLinear", "DequantizeLinear")
_APART = 1 << 30
"""Bytes from which weights lie beside a file: one ends at 2 GiB."""


@dataclass(frozen=True)
class Tap:
    """A node that computes, and the tensor in which its result can be seen.

    Where the result is quantized, that is what is dequantized again: to show it before would take the node out of the
    quantized operator that it is a part of. ``before`` are the nodes whose results it reads, by name and operator.
    """

    node: str
    op: str
    layer: str
    value: str
    shape: tuple[int, ...]
    before: tuple[str, ...]


def taps(network: Network) -> list[Tap]:
    """All taps of a network's file in the order of its nodes; of what floats alone can be seen."""
    import onnx

    model = read_model(network.path)
    names, given = Names(model.graph), {value.name for value in model.graph.output}
    shapes = resolve(model, {name: value.shape for name, value in network.feed.items()})
    floats = (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16)
    found = []
    for index, node in enumerate(names.nodes):
        outputs = [value for value in node.proto.output if value and value not in names.constants]
        if node.outer is not None or node.proto.op_type in _CASTS or not outputs:
            continue
        value = _seen(names, outputs[0])
        if value not in given and shapes.type.get(value) in floats and value in shapes.shape:
            read = (f"{names.nodes[i].proto.op_type} of {names.layer_of[i]}" for i in _before(names, node.proto))
            found.append(
                Tap(
                    node.label,
                    node.proto.op_type,
                    names.layer_of[index],
                    value,
                    tuple(shapes.shape[value]),
                    tuple(dict.fromkeys(read)),
                )
            )
    return found


def last_of_each_layer(every: Sequence[Tap]) -> list[Tap]:
    """One tap a layer, in order."""
    return sorted({tap.layer: tap for tap in every}.values(), key=every.index)


def write_tapped(network: Network, values: Collection[str], file: Path) -> None:
    """Writes the network's file with ``values`` as outputs behind its own."""
    import onnx

    model = onnx.load(network.path)
    shapes = resolve(read_model(network.path), {name: value.shape for name, value in network.feed.items()})
    for value in values:
        model.graph.output.append(onnx.helper.make_tensor_value_info(value, shapes.type[value], shapes.shape[value]))
    apart = model.ByteSize() > _APART
    onnx.save(model, file, save_as_external_data=apart, location=f"{file.name}.data" if apart else None)


def _seen(names: Names, value: str) -> str:
    """The float tensor in which a node's result can be seen."""
    for user in names.users[value]:
        if names.nodes[user].proto.op_type == "QuantizeLinear":
            (quantized,) = names.nodes[user].proto.output
            for reader in names.users[quantized]:
                if names.nodes[reader].proto.op_type == "DequantizeLinear":
                    return names.nodes[reader].proto.output[0]
    return value


def _before(names: Names, proto: object) -> Iterator[int]:
    """The nodes that compute what a node reads, behind their quantizing."""
    for value in getattr(proto, "input", ()):
        index = names.producer.get(value)
        while index is not None and names.nodes[index].proto.op_type in _CASTS:
            index = names.producer.get(names.nodes[index].proto.input[0])
        if index is not None and not set(names.nodes[index].proto.output) <= names.constants:
            yield index
