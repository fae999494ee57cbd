"""ONNX's inference of shapes, into loops too: what a loop carries keeps its shape where each round gives it back so."""

from __future__ import annotations

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
    """What goes round in a Loop: how its body calls it before and after a round, and the Loop after the last one."""

    before: onnx.ValueInfoProto
    after: str
    out: str
    shape: Shape


def with_loops(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with the shapes that inference finds.

    ONNX's own ends at a Loop, since what goes round may change its shape. Here each such value is taken to keep the
    shape that it enters with, and keeps it where the body, inferred so, gives it back in the same.
    """
    inferred, changing = _inferred(model), set[str]()
    while True:
        trial = _copy(inferred)
        carried = list(_carried(trial.graph, static_shapes(trial.graph), changing))
        if not carried:
            return inferred
        for one in carried:
            set_shape(one.before, one.before.type.tensor_type.elem_type, one.shape)
        names = {one.before.name: one for one in carried}
        trial = _inferred(trial)
        after = static_shapes(trial.graph)
        wrong = {name for name, one in names.items() if after.get(one.after) != one.shape}
        changing |= wrong
        if not wrong:
            kinds = {one.out: one.before.type.tensor_type.elem_type for one in carried}
            tell(trial.graph, {one.out: one.shape for one in carried}, kinds)
            inferred = _inferred(trial)


def static_shapes(graph: onnx.GraphProto) -> dict[str, Shape]:
    """The shapes that are written down without open sides, in all graphs inside."""
    shapes: dict[str, Shape] = {}
    for part in scopes(graph):
        for value in (*part.input, *part.output, *part.value_info):
            tensor = value.type.tensor_type
            if tensor.HasField("shape") and all(side.HasField("dim_value") for side in tensor.shape.dim):
                shapes[value.name] = tuple(side.dim_value for side in tensor.shape.dim)
        shapes |= {tensor.name: tuple(tensor.dims) for tensor in part.initializer}
    return shapes


def tell(graph: onnx.GraphProto, shape: Mapping[str, Shape], kind: Mapping[str, int]) -> None:
    """Writes down the shapes of values, where their type is known too, for the next inference to go on from."""
    for part in scopes(graph):
        own = {value.name: value for value in (*part.output, *part.value_info)}
        for name in (value for node in part.node for value in node.output):
            if name in shape and kind.get(name):
                value = own[name] if name in own else part.value_info.add(name=name)
                set_shape(value, kind[name], shape[name])


def set_shape(value: onnx.ValueInfoProto, kind: int, shape: Shape) -> None:
    """Gives a value a type and a shape."""
    import onnx

    value.type.CopyFrom(onnx.helper.make_tensor_type_proto(kind, shape))


def _carried(graph: onnx.GraphProto, known: Mapping[str, Shape], changing: Collection[str]) -> Iterator[_Carried]:
    for part in scopes(graph):
        for node in part.node:
            body = dict(branches(node)).get("body") if node.op_type == "Loop" else None
            if body is None:
                continue
            rounds = zip(node.input[2:], body.input[2:], body.output[1:], node.output, strict=False)
            for enters, before, after, out in rounds:
                if out and out not in known and enters in known and before.name not in changing:
                    yield _Carried(before, after.name, out, known[enters])


def _inferred(model: onnx.ModelProto) -> onnx.ModelProto:
    import onnx

    # Of nodes that contradict each other, what the file tells is all there is.
    with suppress(onnx.shape_inference.InferenceError, RuntimeError, ValueError):
        return onnx.shape_inference.infer_shapes(model, data_prop=True)
    return model


def _copy(model: onnx.ModelProto) -> onnx.ModelProto:
    import onnx

    made = onnx.ModelProto()
    made.CopyFrom(model)
    return made
