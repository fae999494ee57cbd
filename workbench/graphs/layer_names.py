"""The layers of an ONNX graph from any exporter: from the names of its nodes, else the nodes themselves.

In this order: the module path in PyTorch's metadata; a hierarchy in the node's name (``<layer>/<OpType>`` of our own
exports, ``/model/layers.0/conv/Conv`` of TorchScript, ``model/conv/Conv2D`` of TensorFlow), its scopes joined by dots;
the module path in the name of its weight (``layers.0.conv.weight``). Any other node belongs to the layer of its
neighbours if most nodes of the graph have hierarchical names, else it is a layer by itself.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from workbench.graphs.costs import constants
from workbench.graphs.names import ROOT, SCOPES, of_scopes
from workbench.graphs.walk import branches

_NAMESPACE = "namespace"
_PARAMETER = re.compile(r"(.+)\.(weight|bias|kernel|gamma|beta|running_\w+|(weight|bias)_\w+|[wb]_\d+)(_quantized)?")
_FRESH = re.compile(r"[A-Za-z_]+_token_\d+(_out\d+)?")
"""Names that ONNX Runtime gives to new nodes and values; an exported node can be called just ``Transpose``."""
_MOSTLY = 0.5
"""Share of nodes with hierarchical names from which the graph counts as hierarchically named."""


@dataclass(frozen=True)
class Place:
    """A node's layer, and the exported node that it comes from, where known."""

    layer: str | None
    origin: str | None = None


@dataclass(frozen=True)
class GraphNode:
    """A node of a graph: ``label`` is its name (made unique), ``outer`` the index of the node that contains it.

    ``branch`` is the attribute of the outer node that contains it: ``body``, ``then_branch``, ….
    """

    proto: Any
    label: str
    outer: int | None
    branch: str = ""


class Names:
    """The names of an exported graph: the layer of each node, and the node that a derived name refers to."""

    def __init__(self, graph: Any) -> None:
        self.nodes = nodes_of(graph)
        self.constants = constants(graph)
        self.producer = {value: i for i, node in enumerate(self.nodes) for value in node.proto.output if value}
        self.users: defaultdict[str, list[int]] = defaultdict(list)
        for i, node in enumerate(self.nodes):
            for value in node.proto.input:
                self.users[value].append(i)
        self.layer_of = self._layers([_named_layer(node.proto) for node in self.nodes])
        pairs = zip(self.layer_of, self.nodes, strict=True)
        self.layers = {layer: None for layer, node in pairs if node.proto.op_type != "Constant"}.keys()
        self._known = {value: i for value, i in self.producer.items() if value not in self.constants}
        self._named = {node.label: i for i, node in enumerate(self.nodes) if node.proto.name == node.label}
        self._known |= self._named
        self._weights = {value: self.users[value][0] for value in self.constants if self.users.get(value)}

    def place(self, index: int) -> Place:
        """The place of the node at ``index`` in ``nodes``."""
        return Place(self.layer_of[index], self.nodes[index].label)

    def value(self, name: str) -> str | None:
        """The exported value that a runtime's value of that name is, or is a form of.

        Runtimes append to a value's name (``…:0_nchwc``); transposed values are named after the value's node.
        """
        if _FRESH.fullmatch(name):
            return None
        known = prefix_in(name, self.producer)
        if known is None and (label := prefix_in(name, self._named)) is not None:
            return next((value for value in self.nodes[self._named[label]].proto.output if value), None)
        return known

    def find(self, name: str) -> Place:
        """The place of a node or value by its name or one derived from it; ``Place(None)`` if it is unknown.

        Runtimes append to a name (``…:0_nchwc``, ``…/MatMulAddFusion``) and rarely prepend to it.
        """
        if _FRESH.fullmatch(name):
            return Place(None)
        if (known := prefix_in(name, self._known)) is not None:
            return self.place(self._known[known])
        head, slash, _ = name.partition("/")
        if slash and head in self.layers:
            return Place(head)
        for at in range(1, len(name)):
            if not name[at - 1].isalnum() and name[at - 1] != ".":
                known = prefix_in(name[at:], self._known)
                if known and ("/" in known or "." in known):
                    return self.place(self._known[known])
        weight = prefix_in(name, self._weights)
        return Place(self._of_parameter(name) if weight is None else self.layer_of[self._weights[weight]])

    def _of_parameter(self, name: str) -> str | None:
        layer = name.rpartition(".")[0]
        return layer if layer in self.layers else None

    def _layers(self, named: list[str | None]) -> list[str]:
        # A program that was flattened before its export has the root everywhere, which is no information. Our own
        # exports name the root explicitly.
        flat = {*named} <= {None, ROOT} and not any(n.proto.name.startswith(f"{ROOT}/") for n in self.nodes)
        layers: list[str | None] = [None if flat else layer for layer in named]
        computing = [layer for layer, n in zip(layers, self.nodes, strict=True) if n.proto.op_type != "Constant"]
        by_hierarchy = sum(layer is not None for layer in computing) >= _MOSTLY * len(computing)
        for i, node in enumerate(self.nodes):
            if layers[i] is None:
                layers[i] = self._by_weight(node.proto)
        if by_hierarchy:
            self._from_neighbours(layers)
        for i, node in enumerate(self.nodes):
            users = [user for value in node.proto.output for user in self.users[value]]
            if node.proto.op_type == "Constant" and layers[i] is None and users:
                layers[i] = layers[users[0]] or self.nodes[users[0]].label
        return [_printable(layer or node.label) for layer, node in zip(layers, self.nodes, strict=True)]

    def _by_weight(self, proto: Any) -> str | None:
        matches = (_PARAMETER.fullmatch(value) for value in proto.input if value in self.constants)
        return next((match[1] for match in matches if match), None)

    def _from_neighbours(self, layers: list[str | None]) -> None:
        """Gives nodes without a layer that of the producers of their inputs, else of the users of their outputs."""
        while True:
            adopted: dict[int, str] = {}
            for i, node in enumerate(self.nodes):
                if layers[i] is None:
                    before = [self.producer[v] for v in node.proto.input if v in self.producer]
                    after = [user for value in node.proto.output for user in self.users[value]]
                    layer = next((layers[k] for k in (*before, *after) if layers[k] is not None), None)
                    adopted |= {i: layer} if layer is not None else {}
            if not adopted:
                return
            for i, layer in adopted.items():
                layers[i] = layer


def nodes_of(graph: Any) -> list[GraphNode]:
    """All nodes, those of subgraphs after the node that contains them; nodes without a unique name by their output."""
    entries = list(_nodes(graph, None, [0]))
    names = Counter(proto.name for proto, _, _ in entries)
    labels = [
        p.name if p.name and names[p.name] == 1 else f"{p.op_type}({''.join(p.output[:1])})" for p, _, _ in entries
    ]
    seen: Counter[str] = Counter()
    nodes = []
    for label, (proto, outer, branch) in zip(labels, entries, strict=True):
        seen[label] += 1
        nodes.append(GraphNode(proto, f"{label}#{seen[label] - 1}" if seen[label] > 1 else label, outer, branch))
    return nodes


def prefix_in(name: str, known: Mapping[str, int]) -> str | None:
    """The longest key of ``known`` that ``name`` equals or begins with, up to the end of a word."""
    for end in range(len(name), 0, -1):
        if end < len(name) and (name[end].isalnum() or name[end] == "#"):
            continue
        if name[:end] in known:
            return name[:end]
    return None


def _nodes(graph: Any, outer: int | None, count: list[int], branch: str = "") -> Iterator[tuple[Any, int | None, str]]:
    for node in graph.node:
        index = count[0]
        count[0] += 1
        yield node, outer, branch
        for name, body in branches(node):
            yield from _nodes(body, index, count, name)


def _printable(name: str) -> str:
    """A name without line breaks and terminal control characters."""
    return name if name.isprintable() else "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in name)


def _named_layer(node: Any) -> str | None:
    """The layer in the node's metadata or name."""
    metadata = {entry.key: entry.value for entry in node.metadata_props}
    for key, parse in ((SCOPES, of_scopes), (_NAMESPACE, _of_namespace)):
        if key in metadata and (layer := parse(metadata[key])) is not None:
            return layer
    name = node.name or next((value for value in node.output if value), "")
    if "/" not in name:
        return None
    return _joined([part for part in name.split("/") if part][:-1])


def _of_namespace(text: str) -> str | None:
    """``: Model/layers.0: Linear/linear: aten.linear.default``; the last part is the operation."""
    named = [part.partition(":")[0].strip() for part in text.split("/")][:-1]
    return next((name for name in reversed(named) if name), ROOT) if named else None


def _joined(parts: list[str]) -> str:
    """Scopes as one path; TorchScript repeats the outer one in a Sequential's (``layers.0/layers.0.1``)."""
    path: list[str] = []
    for before, part in zip(["", *parts], parts, strict=False):
        if before and part.startswith(f"{before}."):
            path[-1] = part
        else:
            path.append(part)
    return ".".join(path) or ROOT
