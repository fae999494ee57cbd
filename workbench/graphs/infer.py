"""ONNX's shape inference, extended to loops: a carried value has one shape where each round returns the same shape."""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench.graphs.walk import branches, scopes

if TYPE_CHECKING:
    import onnx

Shape = tuple[int, ...]


@dataclass(frozen=True)
class _Carried:
    """A value carried by a Loop: its names in the body before and after a round, and behind the Loop."""

    before: onnx.ValueInfoProto
    after: str
    out: str
    shape: Shape


def with_loops(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with the inferred shapes.

    ONNX's inference ends at a Loop, since carried values can change their shape. Here each is assumed to keep its
    initial shape, which is confirmed where the body, inferred with it, returns the same shape.
    """
    inferred, changing = _inferred(model), set[str]()
    while True:
        trial = copy.deepcopy(inferred)
        carried = list(_carried(trial.graph, static_shapes(trial.graph), changing))
        if not carried:
            return inferred
        for value in carried:
            set_shape(value.before, value.before.type.tensor_type.elem_type, value.shape)
        trial = _inferred(trial)
        after = static_shapes(trial.graph)
        wrong = {value.before.name for value in carried if after.get(value.after) != value.shape}
        changing |= wrong
        if not wrong:
            kinds = {value.out: value.before.type.tensor_type.elem_type for value in carried}
            write_shapes(trial.graph, {value.out: value.shape for value in carried}, kinds)
            inferred = _inferred(trial)


def static_shapes(graph: onnx.GraphProto) -> dict[str, Shape]:
    """The shapes that the graph and its subgraphs state without open sides."""
    shapes: dict[str, Shape] = {}
    for scope in scopes(graph):
        for value in (*scope.input, *scope.output, *scope.value_info):
            tensor = value.type.tensor_type
            if tensor.HasField("shape") and all(side.HasField("dim_value") for side in tensor.shape.dim):
                shapes[value.name] = tuple(side.dim_value for side in tensor.shape.dim)
        shapes |= {tensor.name: tuple(tensor.dims) for tensor in scope.initializer}
    return shapes


def write_shapes(graph: onnx.GraphProto, shape: Mapping[str, Shape], kind: Mapping[str, int]) -> None:
    """Writes the shapes of values into the graph, where their type is known too, for the next inference."""
    for scope in scopes(graph):
        stated = {value.name: value for value in (*scope.output, *scope.value_info)}
        for name in (value for node in scope.node for value in node.output):
            if name in shape and kind.get(name):
                value = stated[name] if name in stated else scope.value_info.add(name=name)
                set_shape(value, kind[name], shape[name])


def set_shape(value: onnx.ValueInfoProto, kind: int, shape: Shape) -> None:
    """Gives a value a type and a shape."""
    import onnx

    value.type.CopyFrom(onnx.helper.make_tensor_type_proto(kind, shape))


def _carried(graph: onnx.GraphProto, known: Mapping[str, Shape], changing: Collection[str]) -> Iterator[_Carried]:
    for scope in scopes(graph):
        for node in scope.node:
            body = dict(branches(node)).get("body") if node.op_type == "Loop" else None
            if body is None:
                continue
            rounds = zip(node.input[2:], body.input[2:], body.output[1:], node.output, strict=False)
            for enters, before, after, out in rounds:
                if out and out not in known and enters in known and before.name not in changing:
                    yield _Carried(before, after.name, out, known[enters])


def _inferred(model: onnx.ModelProto) -> onnx.ModelProto:
    import onnx

    # If nodes contradict each other, only the shapes stated by the file remain.
    with suppress(onnx.shape_inference.InferenceError, RuntimeError, ValueError):
        return onnx.shape_inference.infer_shapes(model, data_prop=True)
    return model
