"""How many bytes of activations are alive while each node runs: estimated from the executed graph and its shapes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from workbench.profile.trace import Kernel

_VIEWS = ("Reshape", "Squeeze", "Unsqueeze", "Flatten", "Identity")
"""Operators whose output the runtime keeps in their input's buffer."""


def live_bytes(executed: Any, kernels: Sequence[Kernel]) -> dict[str, int]:
    """Bytes of all values alive while a node runs, by node name; weights are not among them (estimated).

    A value lives from the node that makes it to the last one that uses it, in the order in which the kernels ran. The
    graph's inputs belong to the caller. What an operator needs inside itself is not known and not in it.
    """
    nodes = {node.name: node for node in executed.node}
    ran = [(kernel, nodes[kernel.node]) for kernel in kernels if kernel.node in nodes]
    buffer: dict[str, str] = {}
    size: dict[str, int] = {}
    end: dict[str, int] = {}
    for step, (kernel, node) in enumerate(ran):
        for value in node.input:
            if value in buffer:
                end[buffer[value]] = step
        outputs = [value for value in node.output if value]
        for value, count in zip(outputs, kernel.outputs, strict=False):
            if node.op_type in _VIEWS and node.input[0] in buffer:
                buffer[value] = buffer[node.input[0]]
            else:
                buffer[value], size[value] = value, count or 0
            end[buffer[value]] = step
    for value in executed.output:
        if value.name in buffer:
            end[buffer[value.name]] = len(ran)

    dies: dict[int, list[str]] = {}
    for name, step in end.items():
        dies.setdefault(step, []).append(name)
    live, alive, found = 0, set[str](), dict[str, int]()
    for step, (kernel, node) in enumerate(ran):
        for value in node.output:
            own = buffer.get(value)
            if own is not None and own not in alive:
                alive.add(own)
                live += size[own]
        found[kernel.node] = live
        for name in dies.get(step, ()):
            live -= size[name]
    return {kernel.node: found.get(kernel.node, 0) for kernel in kernels}
