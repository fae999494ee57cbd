"""Every node of a model, wherever it stands."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnx


def nodes_of(model: onnx.ModelProto) -> Iterator[onnx.NodeProto]:
    """All nodes, those of branches, loop bodies and the model's own functions included."""
    yield from (node for graph in graphs_of(model) for node in graph.node)
    for function in model.functions:
        yield from function.node


def graphs_of(model: onnx.ModelProto) -> list[onnx.GraphProto]:
    """The graph and those inside it: branches and loop bodies."""
    found = [model.graph]
    for graph in found:  # grows while it is walked
        for node in graph.node:
            for attribute in node.attribute:
                found += [attribute.g] if attribute.HasField("g") else []
                found += attribute.graphs
    return found
