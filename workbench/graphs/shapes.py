"""Shapes of all values of an ONNX graph: stated by the file, for concrete inputs, or inferred."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workbench.errors import InputError
from workbench.graphs.infer import Shape, static_shapes, with_loops, write_shapes
from workbench.graphs.standard import STAND_IN, standard
from workbench.graphs.values import FOLDED, GROWS
from workbench.graphs.walk import scopes

if TYPE_CHECKING:
    import onnx

_ROUNDS = 4
"""Maximum number of times that inference and folding continue from each other's results."""


@dataclass(frozen=True)
class Shapes:
    """Values of a graph, those in subgraphs included: ``shape`` and ``type`` (``TensorProto.DataType``) where known."""

    shape: Mapping[str, Shape]
    type: Mapping[str, int]


def resolve(model: onnx.ModelProto, inputs: Mapping[str, Sequence[int]] | None = None) -> Shapes:
    """The shapes in a model whose inputs have the shapes ``inputs``, which are written into the model.

    Shapes that the file doesn't state are inferred by ONNX, with runtimes' operators replaced by ONNX's. Where that
    ends at a computed shape, constants for these inputs are folded. Shapes that depend on the data stay unknown.

    Raises:
        InputError: ``inputs`` names an unknown input, or doesn't fit the graph.
    """
    _forget_negative(model.graph)
    if fix_inputs(model.graph, inputs or {}):
        for scope in scopes(model.graph):
            del scope.value_info[:]  # stated for other inputs
    # Stated shapes come last: edited files keep the shapes of before.
    stated_shapes, stated_types = _stated(model.graph)
    inferred = with_loops(_without_shapes(standard(model)))
    shape, kind = _stated(inferred.graph)
    for _ in range(_ROUNDS):
        shape, kind = stated_shapes | shape, stated_types | kind
        known = len(shape)
        if not _missing(model.graph, shape):
            break
        write_shapes(inferred.graph, shape, kind)
        inferred = with_loops(inferred)
        for improved in (inferred, _folded(inferred)):
            more_shapes, more_types = _stated(improved.graph)
            shape, kind = more_shapes | shape, more_types | kind
        if len(shape) == known:
            break
    return Shapes(shape, kind)


def fix_inputs(graph: onnx.GraphProto, shapes: Mapping[str, Sequence[int]]) -> bool:
    """Writes ``shapes`` into the graph's inputs; whether that changed anything.

    Raises:
        InputError: there is no input of that name, or it takes other shapes.
    """
    inputs = {value.name: value for value in graph.input}
    changed = False
    for name, shape in shapes.items():
        if name not in inputs:
            raise InputError(f"input {name!r}: the graph has none of that name", hint=f"inputs: {', '.join(inputs)}")
        tensor = inputs[name].type.tensor_type
        dims, has_shape = list(tensor.shape.dim), tensor.HasField("shape")
        if has_shape and len(dims) != len(shape):
            raise InputError(f"input {name!r}: {_text(shape)} has {len(shape)} axes, the graph takes {len(dims)}")
        known = [dim.dim_value if dim.HasField("dim_value") else None for dim in dims]
        if any(expected not in (None, side) for expected, side in zip(known, shape, strict=False)):
            takes = [dim.dim_param or "?" if side is None else side for dim, side in zip(dims, known, strict=True)]
            raise InputError(f"input {name!r}: {_text(shape)} doesn't fit, the graph takes {_text(takes)}")
        if not has_shape or None in known:
            changed = True
            tensor.shape.Clear()
            for side in shape:
                tensor.shape.dim.add().dim_value = side
    return changed


def _forget_negative(graph: onnx.GraphProto) -> None:
    """Removes sides of -1, which some exporters write for unknown ones."""
    for scope in scopes(graph):
        for value in (*scope.input, *scope.output, *scope.value_info):
            for side in value.type.tensor_type.shape.dim:
                if side.dim_value < 0:
                    side.Clear()


def _text(shape: Sequence[int | str]) -> str:
    return "x".join(str(side) for side in shape) or "a scalar"


def _without_shapes(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy without the stated shapes of computed values."""
    bare = copy.deepcopy(model)
    for scope in scopes(bare.graph):
        del scope.value_info[:]
        for value in scope.output:
            value.type.tensor_type.ClearField("shape")
    return bare


def _stated(graph: onnx.GraphProto) -> tuple[dict[str, Shape], dict[str, int]]:
    shape, kind = static_shapes(graph), dict[str, int]()
    for scope in scopes(graph):
        values = [*scope.input, *scope.output, *scope.value_info]
        kind |= {value.name: elem for value in values if (elem := value.type.tensor_type.elem_type)}
        constants = [(tensor.name, tensor) for tensor in scope.initializer]
        constants += [
            (n.output[0], a.t) for n in scope.node if n.op_type == "Constant" for a in n.attribute if a.t.dims
        ]
        shape |= {name: tuple(tensor.dims) for name, tensor in constants}
        kind |= {name: tensor.data_type for name, tensor in constants}
    # Quantization tools add values without a shape. It is that of the (de)quantized value, also backwards: the last
    # convolution writes a value that was the graph's output before.
    quantizers = [n for n in graph.node if n.op_type in ("QuantizeLinear", "DequantizeLinear")]
    for node in quantizers:
        if node.input[0] in shape:
            shape.setdefault(node.output[0], shape[node.input[0]])
    for node in reversed(quantizers):
        if node.output[0] in shape:
            shape.setdefault(node.input[0], shape[node.output[0]])
    return shape, kind


def _missing(graph: onnx.GraphProto, known: Mapping[str, Shape]) -> bool:
    return any(value and value not in known for scope in scopes(graph) for node in scope.node for value in node.output)


def _folded(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with constants folded; an If with a constant condition is replaced by its branch."""
    import onnx_ir as ir
    from onnxscript import optimizer

    from workbench.graphs.quiet import quiet

    try:
        with quiet():
            folded = ir.from_proto(model)
            optimizer.fold_constants_ir(
                folded, onnx_shape_inference=True, input_size_limit=FOLDED, should_fold=_may_be_folded
            )
            return ir.to_proto(folded)
    except Exception:  # it computes with the graph's constants; malformed files can raise anything
        return model


def _may_be_folded(node: Any) -> bool | None:
    """Neither stand-ins nor large results are folded: results are computed before their size is checked."""
    if STAND_IN in node.metadata_props:
        return False
    if node.op_type not in GROWS:
        return None
    sides = [
        value.shape.numpy() if value.shape is not None and value.shape.is_static() else None for value in node.outputs
    ]
    return all(side is not None and math.prod(side) <= FOLDED for side in sides)
