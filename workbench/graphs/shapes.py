"""Shapes of all values of an ONNX graph: as the file tells them, for concrete inputs, or worked out."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workbench.errors import InputError
from workbench.graphs.infer import Shape, static_shapes, tell, with_loops
from workbench.graphs.standard import STAND_IN, standard
from workbench.graphs.values import FOLDED, GROWS
from workbench.graphs.walk import scopes

if TYPE_CHECKING:
    import onnx

_ROUNDS = 4
"""Most times that inference and folding go on from each other's results."""


@dataclass(frozen=True)
class Shapes:
    """Values of a graph, those in subgraphs included: ``shape`` and ``type`` (``TensorProto.DataType``) where known."""

    shape: Mapping[str, Shape]
    type: Mapping[str, int]


def resolve(model: onnx.ModelProto, given: Mapping[str, Sequence[int]] | None = None) -> Shapes:
    """The shapes in a model when its inputs have the shapes ``given``; the model's inputs are changed to them.

    Where the file doesn't tell them all, ONNX's inference works them out, runtimes' own operators taken as ONNX's, and
    where that ends at a shape that is itself computed, folding what is constant for these inputs. What depends on the
    data stays unknown.

    Raises:
        InputError: ``given`` names an input that the graph hasn't, or doesn't fit it.
    """
    _forget_negative(model.graph)
    if fix_inputs(model.graph, given or {}):
        for part in scopes(model.graph):
            del part.value_info[:]  # what the file says was true of other inputs
    # What the file tells counts where nothing else does: files are edited, and keep the shapes of before.
    told_shapes, told_types = _told(model.graph)
    more = with_loops(_untold(standard(model)))
    shape, kind = _told(more.graph)
    for _ in range(_ROUNDS):
        shape, kind = told_shapes | shape, told_types | kind
        known = len(shape)
        if not _missing(model.graph, shape):
            break
        tell(more.graph, shape, kind)
        more = with_loops(more)
        for made in (more, _folded(more)):
            more_shapes, more_types = _told(made.graph)
            shape, kind = more_shapes | shape, more_types | kind
        if len(shape) == known:
            break
    return Shapes(shape, kind)


def fix_inputs(graph: onnx.GraphProto, given: Mapping[str, Sequence[int]]) -> bool:
    """Writes the shapes ``given`` into the graph's inputs; whether that changed anything.

    Raises:
        InputError: an input of that name isn't there, or takes other shapes.
    """
    inputs = {value.name: value for value in graph.input}
    changed = False
    for name, shape in given.items():
        if name not in inputs:
            raise InputError(f"input {name!r}: the graph has none of that name", hint=f"inputs: {', '.join(inputs)}")
        tensor = inputs[name].type.tensor_type
        sides, told = list(tensor.shape.dim), tensor.HasField("shape")
        if told and len(sides) != len(shape):
            raise InputError(f"input {name!r}: {_text(shape)} has {len(shape)} axes, the graph takes {len(sides)}")
        known = [side.dim_value if side.HasField("dim_value") else None for side in sides]
        if any(side not in (None, want) for side, want in zip(known, shape, strict=False)):
            takes = [side.dim_param or "?" if k is None else k for side, k in zip(sides, known, strict=True)]
            raise InputError(f"input {name!r}: {_text(shape)} doesn't fit, the graph takes {_text(takes)}")
        if not told or None in known:
            changed = True
            tensor.shape.Clear()
            for want in shape:
                tensor.shape.dim.add().dim_value = want
    return changed


def _forget_negative(graph: onnx.GraphProto) -> None:
    """Takes away sides of -1, which some exporters write where a side isn't known."""
    for part in scopes(graph):
        for value in (*part.input, *part.output, *part.value_info):
            for side in value.type.tensor_type.shape.dim:
                if side.dim_value < 0:
                    side.Clear()


def _text(shape: Sequence[int | str]) -> str:
    return "x".join(str(side) for side in shape) or "a scalar"


def _untold(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy without the shapes that the file tells of what its nodes make."""
    import onnx

    made = onnx.ModelProto()
    made.CopyFrom(model)
    for part in scopes(made.graph):
        del part.value_info[:]
        for value in part.output:
            value.type.tensor_type.ClearField("shape")
    return made


def _told(graph: onnx.GraphProto) -> tuple[dict[str, Shape], dict[str, int]]:
    shape, kind = static_shapes(graph), dict[str, int]()
    for part in scopes(graph):
        values = [*part.input, *part.output, *part.value_info]
        kind |= {value.name: elem for value in values if (elem := value.type.tensor_type.elem_type)}
        constants = [(tensor.name, tensor) for tensor in part.initializer]
        constants += [(n.output[0], a.t) for n in part.node if n.op_type == "Constant" for a in n.attribute if a.t.dims]
        shape |= {name: tuple(tensor.dims) for name, tensor in constants}
        kind |= {name: tensor.data_type for name, tensor in constants}
    # Quantization tools leave their own values without a shape: it is that of what they carry, also against the flow
    # (the last convolution writes a value that was the graph's output before).
    carriers = [n for n in graph.node if n.op_type in ("QuantizeLinear", "DequantizeLinear")]
    for node in carriers:
        if node.input[0] in shape:
            shape.setdefault(node.output[0], shape[node.input[0]])
    for node in reversed(carriers):
        if node.output[0] in shape:
            shape.setdefault(node.input[0], shape[node.output[0]])
    return shape, kind


def _missing(graph: onnx.GraphProto, known: Mapping[str, Shape]) -> bool:
    return any(value and value not in known for part in scopes(graph) for node in part.node for value in node.output)


def _folded(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with everything computed that is constant now, an If by a constant replaced by its branch."""
    import onnx_ir as ir
    from onnxscript import optimizer

    from workbench.graphs.quiet import quiet

    try:
        with quiet():
            made = ir.from_proto(model)
            optimizer.fold_constants_ir(
                made, onnx_shape_inference=True, input_size_limit=FOLDED, should_fold=_may_be_folded
            )
            return ir.to_proto(made)
    except Exception:  # it runs the graph's own constants, and fails in as many ways as there are odd files
        return model


def _may_be_folded(node: Any) -> bool | None:
    """Never what only stands in for something, nor what would grow large: it is computed before it is looked at."""
    if STAND_IN in node.metadata_props:
        return False
    if node.op_type not in GROWS:
        return None
    sides = [
        value.shape.numpy() if value.shape is not None and value.shape.is_static() else None for value in node.outputs
    ]
    return all(side is not None and math.prod(side) <= FOLDED for side in sides)
