"""How many bytes of activations are alive while each node runs: estimated from the executed graph and its shapes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from workbench.graphs.layer_names import GraphNode
from workbench.graphs.work import VIEWS
from workbench.runtimes.onnxruntime.trace import Kernel


def live_bytes(
    graph: Any, nodes: Sequence[GraphNode], kernels: Sequence[Kernel], matched: Sequence[int | None]
) -> list[int]:
    """Bytes of all values alive while each kernel runs; weights are not among them (estimated).

    A value lives from the node that makes it to the last one that uses it, in the order in which the kernels ran. The
    graph's inputs belong to the caller. What an operator needs inside itself is not known and not in it; of kernels
    inside an If, Loop or Scan nothing is known but what is alive around them.

    ``graph`` and ``nodes`` are what was executed; ``matched`` has the index in ``nodes`` of each kernel of a pass.
    """
    steps = [(k, nodes[i].proto) for k, i in enumerate(matched) if i is not None and kernels[k].outer is None]
    buffer: dict[str, str] = {}
    size: dict[str, int] = {}
    end: dict[str, int] = {}
    for step, (k, node) in enumerate(steps):
        for value in _read(node):
            if value in buffer:
                end[buffer[value]] = step
        outputs = [value for value in node.output if value]
        for value, count in zip(outputs, kernels[k].outputs, strict=False):
            if node.op_type in VIEWS and node.input[0] in buffer:
                buffer[value] = buffer[node.input[0]]
            else:
                buffer[value], size[value] = value, count or 0
            end[buffer[value]] = step
    for value in graph.output:
        if value.name in buffer:
            end[buffer[value.name]] = len(steps)

    dies: dict[int, list[str]] = {}
    for name, step in end.items():
        dies.setdefault(step, []).append(name)
    live, alive, bytes_live = 0, set[str](), [0] * len(kernels)
    for step, (k, node) in enumerate(steps):
        for value in node.output:
            if value in buffer and buffer[value] not in alive:
                alive.add(buffer[value])
                live += size[buffer[value]]
        bytes_live[k] = live
        for name in dies.get(step, ()):
            live -= size[name]
    for k, kernel in enumerate(kernels):
        if kernel.outer is not None:
            bytes_live[k] = bytes_live[kernel.outer]
    return bytes_live


def _read(node: Any) -> list[str]:
    """Values that a node uses, those that its subgraphs take from around it included."""
    from workbench.graphs.walk import bodies, scopes

    inner = [value for body in bodies(node) for part in scopes(body) for n in part.node for value in n.input]
    return [*node.input, *inner]
