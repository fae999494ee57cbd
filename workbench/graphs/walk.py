"""Every graph and every node of a model, at any depth."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import onnx


def nodes_of(model: onnx.ModelProto) -> Iterator[onnx.NodeProto]:
    """All nodes, those of branches, loop bodies and the model's own functions included."""
    yield from (node for graph in graphs_of(model) for node in graph.node)
    for function in model.functions:
        for node in function.node:
            yield node
            yield from (inner for body in bodies(node) for graph in scopes(body) for inner in graph.node)


def graphs_of(model: onnx.ModelProto) -> list[onnx.GraphProto]:
    """The graph and those inside it: branches and loop bodies."""
    return list(scopes(model.graph))


def scopes(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    """The graph and all graphs inside its nodes (bodies of If, Loop and Scan), outer ones first."""
    yield graph
    for node in graph.node:
        for inner in bodies(node):
            yield from scopes(inner)


def bodies(node: onnx.NodeProto) -> list[onnx.GraphProto]:
    """The graphs that a node runs: branches of an If, the body of a Loop or Scan."""
    return [graph for _, graph in branches(node)]


def branches(node: onnx.NodeProto) -> list[tuple[str, onnx.GraphProto]]:
    """The graphs that a node runs, each with the name of its attribute."""
    import onnx

    kinds = onnx.AttributeProto
    single = [(a.name, a.g) for a in node.attribute if a.type == kinds.GRAPH]
    return single + [(a.name, graph) for a in node.attribute if a.type == kinds.GRAPHS for graph in a.graphs]


def attribute(node: onnx.NodeProto, name: str, default: Any = 0) -> Any:
    """The value of a node's attribute, ``default`` where it has none."""
    import onnx

    return next((onnx.helper.get_attribute_value(a) for a in node.attribute if a.name == name), default)


def tensors_of(model: onnx.ModelProto) -> Iterator[onnx.TensorProto]:
    """All stored tensors: weights, and constants among the nodes."""
    yield from (tensor for graph in graphs_of(model) for tensor in graph.initializer)
    yield from (attribute.t for node in nodes_of(model) for attribute in node.attribute if attribute.HasField("t"))
