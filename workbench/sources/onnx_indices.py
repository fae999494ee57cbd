"""Integer inputs of an ONNX file: which of them are indices into a table, and the table's length."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import onnx

_KEEPS = {"Cast", "Identity", "Unsqueeze", "Squeeze", "Reshape", "Flatten", "Transpose", "Slice", "Expand"}
"""Operators whose output contains the elements of their first input."""
_TABLE_KEEPS = {"DequantizeLinear", "Cast", "Identity"}
_LOOKUPS = {
    **dict.fromkeys(("Gather", "GatherElements", "GatherND", "GatherBlockQuantized"), (1,)),
    **dict.fromkeys(("Scatter", "ScatterElements", "ScatterND"), (1,)),
    "OneHot": (0,),
    "EmbedLayerNormalization": (0, 1),
}
"""Operators to their inputs that are indices."""
_EMBED_TABLES = {0: 2, 1: 4}
"""Indices of EmbedLayerNormalization (token, segment) to the input with their table."""


@dataclass(frozen=True)
class Indices:
    """The integers allowed in an input: if it is ``used`` as indices, those below ``limit`` (None: unknown length)."""

    used: bool = False
    limit: int | None = None

    def values(self, rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        """Random indices below the limit, 0 where it is unknown; 1 for inputs that aren't indices: a mask, a length."""
        import numpy as np

        if not self.used:
            return np.ones(shape, np.int64)
        return np.asarray(rng.integers(0, self.limit or 1, shape))


def indices_of(model: onnx.ModelProto, inputs: Iterable[str]) -> dict[str, Indices]:
    """For each input whether it is used as indices, and the length of the shortest table that it indexes.

    Inputs are followed through operators that only reshape or cast, and by name into branches and loops.
    """
    from workbench.graphs.walk import graphs_of

    graphs = graphs_of(model)
    tables = {tensor.name: list(tensor.dims) for graph in graphs for tensor in graph.initializer}
    producers = {value: node for graph in graphs for node in graph.node for value in node.output if value}
    origin = {name: name for name in inputs}
    indices: dict[str, Indices] = {name: Indices() for name in origin}
    for graph in graphs:
        for node in graph.node:
            if node.op_type in _KEEPS and node.input and node.input[0] in origin:
                origin.update({value: origin[node.input[0]] for value in node.output if value})
            for at in _LOOKUPS.get(node.op_type, ()):
                name = origin.get(node.input[at]) if at < len(node.input) else None
                if name is not None:
                    limits = [n for n in (indices[name].limit, _length(node, at, tables, producers)) if n is not None]
                    indices[name] = Indices(True, min(limits, default=None))
    return indices


def _length(node: Any, at: int, tables: dict[str, list[int]], producers: dict[str, Any]) -> int | None:
    """The length of the table that ``node`` indexes, if it is a constant."""
    if node.op_type == "EmbedLayerNormalization":
        table = node.input[_EMBED_TABLES[at]]
    elif node.op_type.startswith("Gather") and node.op_type != "GatherND":
        table = node.input[0]
    else:
        return None
    while table in producers and producers[table].op_type in _TABLE_KEEPS:
        table = producers[table].input[0]
    sides = tables.get(table)
    if sides is None and table in producers and producers[table].op_type == "Constant":
        sides = next((list(a.t.dims) for a in producers[table].attribute if a.name == "value"), None)
    if not sides or math.prod(sides) == 0:
        return None
    axis = next((attribute.i for attribute in node.attribute if attribute.name in ("axis", "gather_axis")), 0)
    return sides[axis] if -len(sides) <= axis < len(sides) else None
