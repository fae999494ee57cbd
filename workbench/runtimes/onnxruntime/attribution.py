"""From the kernels in a profile to the executed nodes, and from those back to the layers of the exported graph.

A profile names kernels by their nodes, and nodes without a name by operator and number. Names need not be unique, and
the number isn't in the written graph. What holds is the order: one operator at a time, in the order of that graph.

ONNX Runtime drops all metadata and fuses, renames and inserts nodes. What survives are the names of values: a fused
node still writes the value that the last of the nodes that it stands for wrote, and reads what the first ones read.
So the exported nodes between an executed node's inputs and outputs are what it computes. Values get new names where the
layout changes (``…:0_nchwc``, ``ReorderInput_token_7``): these carry an exported value, and are traced through. Nodes
that this says nothing of are placed by their names, then by their neighbours.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from workbench.graphs.layer_names import GraphNode, Names, Place, nodes_of
from workbench.runtimes.onnxruntime.trace import Kernel

CARRIERS = {
    "ReorderInput", "ReorderOutput", "Transpose", "Reshape", "Squeeze", "Unsqueeze", "Flatten", "Identity", "Cast",
    "QuantizeLinear", "DequantizeLinear",
}  # fmt: skip
"""Operators whose output is their first input in another layout or precision."""
_TAKEN_APART = "_inlfunc_"
"""How ONNX Runtime calls values inside an operator that it runs as the function that defines it."""
_MAIN = ("Attention", "Norm", "Softmax", "Gelu", "Erf", "Sigmoid", "Resize", "Pool", "Reduce")
"""What a fused node without a product is mainly, first come first."""


@dataclass(frozen=True)
class Executed:
    """The graph that a runtime executes: its nodes, the place of each, and the exported nodes (by index in
    ``Names.nodes``) that each computes; none for a node that only carries a value."""

    nodes: Sequence[GraphNode]
    places: Sequence[Place]
    covers: Sequence[tuple[int, ...]]

    def place(self, index: int | None) -> Place:
        """The place of a node; ``Place(None)`` for None."""
        return self.places[index] if index is not None else Place(None)


def attribute(names: Names, graph: Any, macs: Mapping[str, int] | None = None) -> Executed:
    """The place of every node of the executed ``graph``.

    Args:
        names: those of the exported graph.
        graph: the ``GraphProto`` that the runtime says it executes.
        macs: by label of an exported node; of several layers in one fused node, the time goes to the one with most.
    """
    nodes = nodes_of(graph)
    carried = _carried(names, nodes, graph)
    covers, copies = _covers(names, nodes, carried)
    places = []
    for node, cover, copy in zip(nodes, covers, copies, strict=True):
        if cover:
            places.append(names.place(_main(names, cover, macs or {})))
        else:
            places.append(Place(names.layer_of[copy]) if copy is not None else _by_name(names, node.proto))
    _drop_doubles(names, places, covers)
    return Executed(nodes, _spread(nodes, places), covers)


def _carried(names: Names, nodes: Sequence[GraphNode], graph: Any) -> dict[str, str]:
    """Executed values to the exported values that they are, or are another form of."""
    carried = {value.name: value.name for value in graph.input}
    carried |= {tensor.name: tensor.name for tensor in graph.initializer if tensor.name in names.producer}
    for node in nodes:
        for at, value in enumerate(node.proto.output):
            source = node.proto.input[0] if node.proto.input else ""
            if not value:
                continue
            if (known := names.value(value)) is not None:
                carried[value] = known
            elif at == 0 and _carries(node.proto) and source in carried:
                carried[value] = carried[source]
    for node in reversed(nodes):  # … and what goes into a reshape that was put behind a node
        if _carries(node.proto) and node.proto.output[0] in carried and node.proto.input[0]:
            carried.setdefault(node.proto.input[0], carried[node.proto.output[0]])
    for node in nodes:  # … and what stays in the runtime's own layout: its maker is still named by it
        if node.proto.op_type not in CARRIERS and node.proto.output and node.proto.output[0] not in carried:
            known = names.value(node.proto.name)
            if known is not None:
                carried[node.proto.output[0]] = _taken_in(names, node.proto, known)
    return carried


def _taken_in(names: Names, node: Any, value: str) -> str:
    """What a convolution writes that began as the one that made ``value`` and took in what follows it."""
    activation = next((a.s.decode() for a in node.attribute if a.name == "activation"), "")
    for kind in ("Add" if len(node.input) > 3 else "", activation):
        users = [names.nodes[i].proto for i in names.users.get(value, ())]
        value = next((user.output[0] for user in users if user.op_type == kind), value)
    return value


def _covers(
    names: Names, nodes: Sequence[GraphNode], carried: Mapping[str, str]
) -> tuple[list[tuple[int, ...]], list[int | None]]:
    """The exported nodes that each executed node computes; and for a copy, the one whose value it copies."""
    fixed = names.constants
    survives = set(carried.values()) | fixed
    covers: list[tuple[int, ...]] = []
    copies: list[int | None] = []
    for node in nodes:
        before = {carried[value] for value in node.proto.input if value in carried}
        made = [carried[value] for value in node.proto.output if value in carried]
        new = [value for value in made if value not in before]
        copies.append(names.producer.get(made[0]) if made and not new else None)
        covered: dict[int, None] = {}
        open_values = list(new)
        while open_values:
            index = names.producer.get(open_values.pop())
            if index is not None and index not in covered:
                covered[index] = None
                open_values += [v for v in names.nodes[index].proto.input if v and v not in survives]
        covers.append(tuple(covered))
    return covers, copies


def _main(names: Names, cover: Sequence[int], macs: Mapping[str, int]) -> int:
    """The node of ``cover`` that does most of the work; ``cover`` begins with the last one in the graph's order."""
    product = max(cover, key=lambda i: macs.get(names.nodes[i].label, -1))
    if names.nodes[product].label in macs:
        return product
    computing = [i for i in cover if names.nodes[i].proto.op_type not in CARRIERS] or list(cover)
    for kind in _MAIN:
        for i in computing:
            if kind in names.nodes[i].proto.op_type:
                return i
    return computing[0]


def _by_name(names: Names, node: Any) -> Place:
    first = Place(None)
    for name in (node.name, *node.output):
        place = names.find(name) if name else first
        if place.origin is not None:
            return place
        first = first if first.layer is not None else place
    return first


def _drop_doubles(names: Names, places: Sequence[Place], covers: list[tuple[int, ...]]) -> None:
    """Takes what a node computes by its name alone from the nodes behind it, which seemed to compute it too."""
    index = {node.label: i for i, node in enumerate(names.nodes)}
    doubled = {place.origin for place, cover in zip(places, covers, strict=True) if not cover and place.origin}
    gone = {index[origin] for origin in doubled if origin}
    for at, cover in enumerate(covers):
        if cover and gone.intersection(cover) and places[at].origin not in doubled:
            covers[at] = tuple(i for i in cover if i not in gone)


def _spread(nodes: Sequence[GraphNode], places: list[Place]) -> list[Place]:
    """Gives nodes without a place that of their users, else of their inputs, else of the node that contains them.

    What was put in to carry a value has its place by then: what is left prepares something, or is a part of what was
    taken apart, whose last part is known by what it writes.
    """
    producer = {value: i for i, node in enumerate(nodes) for value in node.proto.output if value}
    users: defaultdict[str, list[int]] = defaultdict(list)
    for i, node in enumerate(nodes):
        for value in node.proto.input:
            users[value].append(i)
    for i in reversed(range(len(nodes))):
        if places[i].layer is None:
            after = (places[user].layer for value in nodes[i].proto.output for user in users[value])
            places[i] = Place(next((layer for layer in after if layer is not None), None))
    for i, node in enumerate(nodes):
        if places[i].layer is None:
            before = (places[producer[value]].layer for value in node.proto.input if value in producer)
            places[i] = Place(next((layer for layer in before if layer is not None), None))
        if places[i].layer is None and node.outer is not None:
            places[i] = Place(places[node.outer].layer)
    return places


def _carries(node: Any) -> bool:
    return node.op_type in CARRIERS and not any(value.startswith(_TAKEN_APART) for value in node.output)


def match_kernels(kernels: Sequence[Kernel], nodes: Sequence[GraphNode]) -> list[int | None]:
    """The index in ``nodes`` of each kernel of a pass; None where it is none of them.

    A kernel inside another's (an If's, Loop's or Scan's) is looked for among the nodes inside that node; where it
    isn't found, it counts as that node's.
    """
    inside: defaultdict[int | None, list[int]] = defaultdict(list)
    for i, node in enumerate(nodes):
        inside[node.outer].append(i)
    groups: defaultdict[int | None, list[int]] = defaultdict(list)
    for k, kernel in enumerate(kernels):
        groups[kernel.outer].append(k)
    matched: list[int | None] = [None] * len(kernels)
    # A kernel comes after the one that contains it, whose node is known by then.
    for outer, members in sorted(groups.items(), key=lambda item: -1 if item[0] is None else item[0]):
        around = matched[outer] if outer is not None else None
        candidates = inside[around] if outer is None or around is not None else []
        for k, index in zip(members, _by_order(kernels, members, nodes, candidates), strict=True):
            matched[k] = index if index is not None else around
    return matched


def _by_order(
    kernels: Sequence[Kernel], members: Sequence[int], nodes: Sequence[GraphNode], among: Sequence[int]
) -> list[int | None]:
    if [kernels[k].op for k in members] == [nodes[i].proto.op_type for i in among]:
        return list(among)
    named: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
    for i in among:
        named[nodes[i].proto.name, nodes[i].proto.op_type].append(i)
    seen: defaultdict[tuple[str, str], int] = defaultdict(int)
    in_order: list[int | None] = []
    for k in members:
        kernel = kernels[k]
        key = ("", kernel.op) if kernel.node == f"{kernel.op}_{kernel.index}" else (kernel.node, kernel.op)
        choice = named.get(key) or named.get((kernel.node, kernel.op), [])
        in_order.append(choice[seen[key] % len(choice)] if choice else None)  # a loop begins again at its first
        seen[key] += 1
    return in_order
