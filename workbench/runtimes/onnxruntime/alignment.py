"""Which node of the executed graph each kernel in a profile is.

A profile names kernels by their nodes, and nodes without a name by operator and number. Names need not be unique, and
the number isn't in the written graph. What holds is the order: one operator at a time, as they stand in that graph.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from workbench.graphs.layer_names import GraphNode
from workbench.runtimes.onnxruntime.trace import Kernel


def align(kernels: Sequence[Kernel], nodes: Sequence[GraphNode]) -> list[int | None]:
    """Of each kernel of a pass the index in ``nodes``; None when it is in none of them.

    A kernel inside another's (an If's, Loop's or Scan's) is looked for among the nodes inside that one's node; one that
    isn't found there counts as that node's.
    """
    inside: defaultdict[int | None, list[int]] = defaultdict(list)
    for i, one in enumerate(nodes):
        inside[one.outer].append(i)
    nodes_of_kernels: list[int | None] = [None] * len(kernels)
    groups: defaultdict[int | None, list[int]] = defaultdict(list)
    for k, kernel in enumerate(kernels):
        groups[kernel.outer].append(k)
    # A kernel stands behind the one that it is inside of, so that one's node is known by then.
    for outer, members in sorted(groups.items(), key=lambda item: -1 if item[0] is None else item[0]):
        node = nodes_of_kernels[outer] if outer is not None else None
        own = _by_order(kernels, members, nodes, inside[node] if outer is None or node is not None else [])
        for k, index in zip(members, own, strict=True):
            nodes_of_kernels[k] = index if index is not None else node
    return nodes_of_kernels


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
