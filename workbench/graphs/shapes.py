"""Shapes of all values of an ONNX graph: as the file tells them, for concrete inputs, or worked out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench.errors import InputError

if TYPE_CHECKING:
    import onnx

Shape = tuple[int, ...]
_FOLDED = 512
"""Most elements of a constant that is computed with: what ``light.read_model`` keeps the values of."""


@dataclass(frozen=True)
class Shapes:
    """Values of a graph, those in subgraphs included: ``shape`` and ``type`` (``TensorProto.DataType``) where known.

    ``runs`` holds the values that are made in every pass: those outside all subgraphs, and those of an If whose branch
    is settled by the inputs' shapes.
    """

    shape: Mapping[str, Shape]
    type: Mapping[str, int]
    runs: frozenset[str]


def resolve(model: onnx.ModelProto, given: Mapping[str, Sequence[int]] | None = None) -> Shapes:
    """The shapes in a model when its inputs have the shapes ``given``; the model's inputs are changed to them.

    Where the file doesn't tell them all, ONNX's inference works them out, and where that ends at a shape that is
    itself computed, folding what is constant for these inputs. What depends on the data stays unknown.

    Raises:
        InputError: ``given`` names an input that the graph hasn't, or doesn't fit it.
    """
    import onnx

    _forget_negative(model.graph)
    if fix_inputs(model.graph, given or {}):
        for part in scopes(model.graph):
            del part.value_info[:]  # what the file says was true of other inputs
    runs = {value for node in model.graph.node for value in node.output}
    shape, kind = _told(model.graph)
    if not _missing(model.graph, shape) and not any(bodies(node) for node in model.graph.node):
        return Shapes(shape, kind, frozenset(runs))
    # Of nodes that contradict each other, what the file tells is all there is.
    with suppress(onnx.shape_inference.InferenceError, RuntimeError, ValueError):
        model = onnx.shape_inference.infer_shapes(model, data_prop=True)
    more_shapes, more_types = _told(model.graph)
    shape, kind = more_shapes | shape, more_types | kind
    if _missing(model.graph, shape) or any(bodies(node) for node in model.graph.node):
        folded = _folded(model)
        more_shapes, more_types = _told(folded)
        shape, kind = more_shapes | shape, more_types | kind
        runs |= {value for node in folded.node for value in node.output}
        runs |= _taken(model.graph, runs)
    return Shapes(shape, kind, frozenset(runs))


def scopes(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    """The graph and all graphs inside its nodes (bodies of If, Loop and Scan), outer ones first."""
    yield graph
    for node in graph.node:
        for inner in bodies(node):
            yield from scopes(inner)


def bodies(node: onnx.NodeProto) -> list[onnx.GraphProto]:
    """The graphs that a node runs: branches of an If, the body of a Loop or Scan."""
    import onnx

    own = [a.g for a in node.attribute if a.type == onnx.AttributeProto.GRAPH]
    return own + [graph for a in node.attribute for graph in a.graphs]


def fix_inputs(graph: onnx.GraphProto, given: Mapping[str, Sequence[int]]) -> bool:
    """Writes the shapes ``given`` into the graph's inputs; whether that changed anything.

    Raises:
        InputError: an input of that name isn't there, or takes other shapes.
    """
    inputs = {value.name: value for value in graph.input}
    changed = False
    for name, wanted in given.items():
        if name not in inputs:
            raise InputError(f"input {name!r}: the graph has none of that name", hint=f"inputs: {', '.join(inputs)}")
        tensor = inputs[name].type.tensor_type
        sides, told = list(tensor.shape.dim), tensor.HasField("shape")
        if told and len(sides) != len(wanted):
            raise InputError(f"input {name!r}: {_text(wanted)} has {len(wanted)} axes, the graph takes {len(sides)}")
        known = [side.dim_value if side.HasField("dim_value") else None for side in sides]
        if any(side not in (None, want) for side, want in zip(known, wanted, strict=False)):
            takes = [side.dim_param or "?" if k is None else k for side, k in zip(sides, known, strict=True)]
            raise InputError(f"input {name!r}: {_text(wanted)} doesn't fit, the graph takes {_text(takes)}")
        if not told or None in known:
            changed = True
            tensor.shape.Clear()
            for want in wanted:
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


def _told(graph: onnx.GraphProto) -> tuple[dict[str, Shape], dict[str, int]]:
    shape: dict[str, Shape] = {}
    kind: dict[str, int] = {}
    for part in scopes(graph):
        for value in (*part.input, *part.output, *part.value_info):
            tensor = value.type.tensor_type
            kind[value.name] = tensor.elem_type
            if tensor.HasField("shape") and all(side.HasField("dim_value") for side in tensor.shape.dim):
                shape[value.name] = tuple(side.dim_value for side in tensor.shape.dim)
        constants = [(t.name, t) for t in part.initializer]
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


def _taken(graph: onnx.GraphProto, runs: set[str]) -> set[str]:
    """Values of the branches of which any value is among ``runs``: their results were given another name there."""
    found: set[str] = set()
    for part in scopes(graph):
        for body in (body for node in part.node for body in bodies(node)):
            made = {value for node in body.node if node.op_type != "Constant" for value in node.output}
            found |= made if made & runs else set()
    return found


def _missing(graph: onnx.GraphProto, known: Mapping[str, Shape]) -> bool:
    return any(value and value not in known for part in scopes(graph) for node in part.node for value in node.output)


def _folded(model: onnx.ModelProto) -> onnx.GraphProto:
    """The graph with everything computed that is constant now, an If by a constant replaced by its branch."""
    import onnx_ir as ir
    from onnxscript import optimizer

    from workbench.graphs.quiet import quiet

    try:
        with quiet():
            made = ir.from_proto(model)
            optimizer.fold_constants_ir(
                made,
                onnx_shape_inference=True,
                input_size_limit=_FOLDED,
                should_fold=lambda node: True if node.op_type == "ConstantOfShape" else None,
            )
            return ir.to_proto(made).graph
    except Exception:  # it runs the graph's own constants, and fails in as many ways as there are odd files
        return model.graph
