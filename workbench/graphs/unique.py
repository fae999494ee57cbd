"""Unique names for the values of branches and loop bodies."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from workbench.graphs.walk import bodies

if TYPE_CHECKING:
    import onnx


def make_unique(graph: onnx.GraphProto) -> None:
    """Renames, in place, values inside branches and bodies that have the name of another value.

    ONNX allows different values of the same name in two branches; code that follows values by name would mix them up.
    """
    taken = set(_defined(graph))
    for node in graph.node:
        for inner in bodies(node):
            _rename(inner, {}, taken)


def _defined(graph: onnx.GraphProto) -> list[str]:
    """Names of the values that a graph itself defines."""
    names = [value.name for value in graph.input] + [tensor.name for tensor in graph.initializer]
    return names + [value for node in graph.node for value in node.output if value]


def _rename(graph: onnx.GraphProto, around: dict[str, str], taken: set[str]) -> None:
    names = dict(around)
    for name in dict.fromkeys(_defined(graph)):
        numbered = (f"{name} ({i})" if i else name for i in itertools.count())
        names[name] = next(new for new in numbered if new not in taken)
        taken.add(names[name])
    for value in (*graph.input, *graph.output, *graph.value_info, *graph.initializer):
        if names.get(value.name, value.name) != value.name:
            value.name = names[value.name]
    for node in graph.node:
        for values in (node.input, node.output):
            for at, value in enumerate(values):
                if names.get(value, value) != value:
                    values[at] = names[value]
        for inner in bodies(node):
            _rename(inner, names, taken)
