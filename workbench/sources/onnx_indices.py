"""Integer inputs of an ONNX file: which of them look something up in a table, and how long the table is."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import onnx

_KEEPS = {"Cast", "Identity", "Unsqueeze", "Squeeze", "Reshape", "Flatten", "Transpose", "Slice", "Expand"}
"""Operators whose output holds the elements of their first input."""
_TABLE_KEEPS = {"DequantizeLinear", "Cast", "Identity"}
_LOOKUPS = {
    **dict.fromkeys(("Gather", "GatherElements", "GatherND", "GatherBlockQuantized"), (1,)),
    **dict.fromkeys(("Scatter", "ScatterElements", "ScatterND"), (1,)),
    "OneHot": (0,),
    "EmbedLayerNormalization": (0, 1),
}
"""Operators to those of their inputs that are indices."""
_TABLE_OF_EMBED = {0: 2, 1: 4}
"""Input of EmbedLayerNormalization (token, segment) to the input with its table."""


@dataclass(frozen=True)
class Indices:
    """What integers an input may hold: below ``limit`` where it looks something up, None where the length isn't known.

    ``used`` is whether it looks something up at all.
    """

    used: bool = False
    limit: int | None = None

    def values(self, rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        """Random indices below the limit, 0 where it isn't known; 1 where nothing is looked up: a mask, a length."""
        import numpy as np

        if not self.used:
            return np.ones(shape, np.int64)
        return np.asarray(rng.integers(0, self.limit or 1, shape))


def indices_of(model: onnx.ModelProto, inputs: Iterable[str]) -> dict[str, Indices]:
    """For each input whether it is used as indices, and the length of the shortest table that it looks into.

    Followed through operators that only reshape or cast, and into branches and loops by the names that they see.
    """
    from workbench.graphs.walk import graphs_of

    graphs = graphs_of(model)
    tables = {tensor.name: list(tensor.dims) for graph in graphs for tensor in graph.initializer}
    producers = {value: node for graph in graphs for node in graph.node for value in node.output if value}
    origin = {name: name for name in inputs}
    by_input: dict[str, Indices] = {name: Indices() for name in origin}
    for graph in graphs:
        for node in graph.node:
            if node.op_type in _KEEPS and node.input and node.input[0] in origin:
                origin.update({value: origin[node.input[0]] for value in node.output if value})
            for at in _LOOKUPS.get(node.op_type, ()):
                name = origin.get(node.input[at]) if at < len(node.input) else None
                if name is not None:
                    limits = [n for n in (by_input[name].limit, _length(node, at, tables, producers)) if n is not None]
                    by_input[name] = Indices(True, min(limits, default=None))
    return by_input


def _length(node: Any, at: int, tables: dict[str, list[int]], producers: dict[str, Any]) -> int | None:
    """The length of the table that ``node`` looks into, when it is a constant."""
    if node.op_type == "EmbedLayerNormalization":
        table = node.input[_TABLE_OF_EMBED[at]]
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
