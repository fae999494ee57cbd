"""Small values of a graph that are the same in every pass with inputs of these shapes: trip counts, conditions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from workbench.graphs.infer import Shape
from workbench.graphs.walk import bodies, scopes

if TYPE_CHECKING:
    import numpy as np
    import onnx

FOLDED = 512
"""Maximum elements of a folded constant; ``read_model`` keeps values of that size."""
GROWS = ("ConstantOfShape", "Expand", "EyeLike", "OneHot", "Pad", "Range", "Resize", "Tile", "Upsample")
"""Operators whose result can be much larger than their inputs."""


class Values:
    """Values by name, computed on demand: constants, sides of known shapes, and results computed from them."""

    def __init__(self, model: onnx.ModelProto, shapes: Mapping[str, Shape]) -> None:
        self._opsets = {entry.domain: entry.version for entry in model.opset_import}
        self._shapes = shapes
        self._producer: dict[str, onnx.NodeProto] = {}
        self._known: dict[str, np.ndarray | None] = {}
        for graph in scopes(model.graph):
            self._producer |= {value: node for node in graph.node for value in node.output if value}
            self._known |= {tensor.name: _array(tensor) for tensor in graph.initializer}

    def of(self, name: str) -> np.ndarray | None:
        """The value ``name``; None where it depends on the data or is large."""
        pending, entered = [name], set[str]()
        while pending:
            value = pending[-1]
            node = self._producer.get(value)
            open_values = [] if node is None or value in entered else self._needs(node)
            if value in self._known or not open_values:
                if value not in self._known:
                    self._known[value] = self._computed(node, value) if node is not None else None
                pending.pop()
            entered.add(value)
            pending += [v for v in open_values if v not in entered]
        return self._known[name]

    def _needs(self, node: onnx.NodeProto) -> Iterable[str]:
        known = node.op_type == "Shape" and node.input[0] in self._shapes
        return [] if known else [value for value in node.input if value and value not in self._known]

    def _computed(self, node: onnx.NodeProto, name: str) -> np.ndarray | None:
        import numpy as np
        from onnx import helper
        from onnx.reference import ReferenceEvaluator

        if node.domain not in self._opsets or node.op_type.startswith("Random") or bodies(node):
            return None
        if node.op_type in GROWS and not _is_small(self._shapes.get(name)):
            return None
        feed = {value: self._known.get(value) for value in node.input if value}
        if node.op_type == "Shape" and node.input[0] in self._shapes:
            feed = {node.input[0]: np.broadcast_to(np.float32(0), self._shapes[node.input[0]])}
        if any(value is None for value in feed.values()):
            return None
        opset = helper.make_opsetid(node.domain, self._opsets[node.domain])
        outputs = [value for value in node.output if value]
        try:
            function = helper.make_function("one", "One", list(feed), outputs, [node], [opset])
            results = ReferenceEvaluator(function).run(None, feed, attributes={})
        except Exception:  # malformed nodes can raise anything
            return None
        result: np.ndarray = np.asarray(results[outputs.index(name)])
        return result if result.size <= FOLDED else None


def _is_small(shape: Shape | None) -> bool:
    import math

    return shape is not None and math.prod(shape) <= FOLDED


def _array(tensor: onnx.TensorProto) -> np.ndarray | None:
    import onnx

    if not _is_small(tuple(tensor.dims)) or tensor.data_location == onnx.TensorProto.EXTERNAL:
        return None
    try:
        return onnx.numpy_helper.to_array(tensor)
    except (ValueError, TypeError, KeyError):  # its values are missing
        return None
