"""From the nodes that a runtime executes back to the layers of the exported graph.

ONNX Runtime drops all metadata and fuses, renames and inserts nodes. What survives are names: the exported graph's
nodes are named ``<layer>/<OpType>[#k]`` and its values ``<node name>:<i>``, and the runtime derives its own names from
them (``…/Conv:0_nchwc``, ``…/MatMul/MatMulAddFusion``, ``…/Conv_token_347``, ``…:0_QuantizeLinear``). What it names
afresh (``ReorderInput_token_7``, ``Transpose_token_9``, ``gemm_input_reshape``) belongs to the value that it carries.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

UNMAPPED, RUNTIME = "(unmapped)", "(runtime)"
"""Rows that stand in every table: kernels that no layer could be found for, and wall time outside all kernels."""

_END = re.compile(r"[#0-9]")


@dataclass(frozen=True)
class Place:
    """Where an executed node belongs: its layer, and the exported node that it came from where that is told."""

    layer: str | None
    origin: str | None = None


class Names:
    """The names of an exported graph: which layer, and which of its nodes, a derived name speaks of."""

    def __init__(self, graph: Any) -> None:
        self.layers: set[str] = set()
        self._of_layer: defaultdict[str, list[str]] = defaultdict(list)
        results = {value.name for value in graph.output}
        self._results: dict[str, str] = {}
        for node in graph.node:
            if "/" in node.name:
                layer, operation = node.name.split("/", 1)
                self.layers.add(layer)
                self._of_layer[layer].append(operation)
                self._results |= {value: node.name for value in node.output if value in results}

    def find(self, name: str) -> Place:
        """The place that ``name`` (of a node or a value) speaks of; ``Place(None)`` when it speaks of none."""
        head, slash, tail = name.partition("/")
        if slash:
            layer = self._layer(head)
            if layer is not None:
                return Place(layer, self._origin(layer, tail))
        for result, node in self._results.items():
            # Graph outputs keep their own names, and lend them to what makes them (``picture_nchwc``).
            if name.startswith(result):
                return Place(node.split("/", 1)[0], node)
        # weight_quantized, bias_scale, weight_DequantizeLinear, …: the layer is what stands before the last dot.
        layer = name.rpartition(".")[0]
        return Place(layer if layer in self.layers else None)

    def _layer(self, head: str) -> str | None:
        if head in self.layers:
            return head
        # A prefix that the runtime put before the name: the longest known layer at the end of what is there.
        ends = [layer for layer in self.layers if head.endswith(layer) and not head[-len(layer) - 1].isalnum()]
        ends = [layer for layer in ends if head[-len(layer) - 1] != "."]
        return max(ends, key=len, default=None)

    def _origin(self, layer: str, tail: str) -> str | None:
        found = [
            op for op in self._of_layer[layer] if tail.startswith(op) and not _END.match(tail[len(op) : len(op) + 1])
        ]
        return f"{layer}/{max(found, key=len)}" if found else None


def attribute(names: Names, executed: Any) -> dict[str, Place]:
    """The place of every node of the executed graph, by node name.

    Args:
        names: those of the exported graph.
        executed: the ``GraphProto`` that the runtime says it executes.

    By the node's own name, then by those of its outputs; what is left belongs to what makes its first input, else to
    what makes another, else to what uses its outputs.
    """
    places: dict[str, Place] = {}
    producer = {value: node for node in executed.node for value in node.output if value}
    users: defaultdict[str, list[Any]] = defaultdict(list)
    for node in executed.node:
        for value in node.input:
            users[value].append(node)
        places[node.name] = _told(names, node)

    def neighbours(node: Any) -> list[str]:
        before = [producer[value].name for value in node.input if value in producer]
        return before + [user.name for value in node.output for user in users[value]]

    # Breadth first from what is told, so that a chain of inserted nodes ends up where it is attached.
    open_nodes = [node for node in executed.node if places[node.name].layer is None]
    while open_nodes:
        found = {node.name: near for node in open_nodes if (near := _nearest(neighbours(node), places))}
        if not found:
            break
        places.update({name: Place(layer) for name, layer in found.items()})
        open_nodes = [node for node in open_nodes if node.name not in found]
    return places


def _told(names: Names, node: Any) -> Place:
    first = Place(None)
    for name in (node.name, *node.output):
        place = names.find(name)
        if place.origin is not None:
            return place
        first = first if first.layer is not None else place
    return first


def _nearest(neighbours: Iterable[str], places: Mapping[str, Place]) -> str | None:
    return next((layer for name in neighbours if (layer := places[name].layer) is not None), None)
