"""How often every node of a graph runs in one pass, also in branches and loop bodies, as far as it is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench.graphs.infer import Shape
from workbench.graphs.layer_names import GraphNode
from workbench.graphs.values import Values
from workbench.graphs.walk import attribute, branches

if TYPE_CHECKING:
    import onnx

_SINCE_AXES = 9
"""The ONNX version from which a Scan names its axis and has no batch axis."""


@dataclass(frozen=True)
class Times:
    """``count`` runs of a node in one pass of the graph; ``why``: the reason why it is unknown, "" when it is known.

    ``choice`` is the index of the nearest surrounding If whose branch depends on the data: both branches are counted.
    """

    count: int = 1
    why: str = ""
    choice: int | None = None


def times_of(nodes: Sequence[GraphNode], model: onnx.ModelProto, shapes: Mapping[str, Shape]) -> list[Times]:
    """How often each node runs; ``nodes`` are those of the model, outer ones first."""
    values, times = Values(model, shapes), list[Times]()
    version = max((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), default=0)
    inside: dict[tuple[int, str], Times] = {}
    for node in nodes:
        if node.outer is None:
            times.append(Times())
            continue
        at = (node.outer, node.branch)
        if at not in inside:
            outer, around = nodes[node.outer].proto, times[node.outer]
            scanned = _steps(outer, shapes) if outer.op_type == "Scan" and version >= _SINCE_AXES else None
            inside[at] = _inside(node, outer, around, values, scanned)
        times.append(inside[at])
    return times


def _inside(inner: GraphNode, node: onnx.NodeProto, around: Times, values: Values, scanned: int | None) -> Times:
    """How often the nodes beside ``inner`` run, in a branch or body of ``node``, which itself runs ``around`` times.

    ``scanned``: the rounds of a Scan, where they are known.
    """
    if around.why or not around.count:
        return around
    if node.op_type == "If":
        condition = _scalar(node, 0, values)
        if condition is None:
            return Times(around.count, choice=inner.outer)
        return around if inner.branch == ("then_branch" if condition else "else_branch") else Times(0)
    trips = _trips(node, values) if node.op_type == "Loop" else scanned
    if trips is None:
        return Times(0, f"in {node.op_type}")
    return Times(around.count * trips, choice=around.choice if trips else None)


def _trips(node: onnx.NodeProto, values: Values) -> int | None:
    """The rounds of a Loop: its trip count, unless a condition that depends on the data can end it earlier."""
    begins = _scalar(node, 1, values) if len(node.input) > 1 and node.input[1] else 1
    if begins == 0:
        return 0
    trips = _scalar(node, 0, values) if node.input and node.input[0] else None
    if trips is None or begins is None:
        return None
    body = dict(branches(node)).get("body")
    if body is None or len(body.input) < 2 or not body.output:
        return None
    condition = values.of(body.output[0].name)
    if condition is not None and condition.size == 1:
        return max(0, trips) if bool(condition.reshape(())) else min(1, max(0, trips))
    producer = {value: inner for inner in body.node for value in inner.output}
    value = body.output[0].name
    for _ in body.node:
        if value in producer and producer[value].op_type == "Identity":
            value = producer[value].input[0]
    return max(0, trips) if value == body.input[1].name else None


def _steps(node: onnx.NodeProto, shapes: Mapping[str, Shape]) -> int | None:
    """The rounds of a Scan: the length of the scanned axis."""
    count, axes = attribute(node, "num_scan_inputs"), attribute(node, "scan_input_axes", [])
    if not 0 < count <= len(node.input):
        return None
    shape, axis = shapes.get(node.input[-count]), axes[0] if axes else 0
    return shape[axis] if shape is not None and -len(shape) <= axis < len(shape) else None


def _scalar(node: onnx.NodeProto, at: int, values: Values) -> int | None:
    value = values.of(node.input[at]) if at < len(node.input) and node.input[at] else None
    return int(value.reshape(())) if value is not None and value.size == 1 else None
