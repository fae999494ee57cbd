"""A model in the plain form that everything here takes: without functions, in order, operators by their one domain."""

from __future__ import annotations

import heapq
import itertools
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.errors import InputError
from workbench.graphs.walk import bodies, graphs_of, nodes_of, scopes

if TYPE_CHECKING:
    import onnx

ALIAS = "ai.onnx"
"""Another name of ONNX's own domain, the empty one."""


def needs_plain(model: onnx.ModelProto) -> bool:
    """Whether some runtimes don't take the model as it is; nodes in any order are taken by all."""
    domains = {node.domain for node in nodes_of(model)} | {entry.domain for entry in model.opset_import}
    return bool(model.functions) or ALIAS in domains or bool(_repeated(model))


def plain(model: onnx.ModelProto, path: Path) -> onnx.ModelProto:
    """The model with its functions written out where they are name_of, its nodes behind what they read, no name twice.

    Functions stay that are for another version of ONNX, in which their operators are others. ``path`` is where the
    model comes from; it is changed.

    Raises:
        InputError: functions can't be written out, as when one calls itself, or nodes wait for each other.
    """
    import onnx.inliner

    for named in (*nodes_of(model), *model.opset_import, *(e for f in model.functions for e in f.opset_import)):
        if named.domain == ALIAS:
            named.domain = ""
    for function in model.functions:
        _same_version(function, {entry.domain: entry.version for entry in model.opset_import})
    if model.functions:
        try:
            model = onnx.inliner.inline_local_functions(model)
        except Exception as error:  # the class depends on what is wrong
            raise InputError(f"{path}: its functions can't be inlined: {str(error).splitlines()[0]}") from None
    repeated = _repeated(model)
    for node in nodes_of(model):
        if node.name in repeated:
            node.name = ""
    for graph in graphs_of(model):
        ordered = order(graph)
        if len(ordered) < len(graph.node):
            stuck = next(node for i, node in enumerate(graph.node) if i not in set(ordered))
            raise InputError(f"{path}: {in_words(stuck)} needs its own result: the graph goes round in a circle")
        if ordered != sorted(ordered):
            nodes = [graph.node[i] for i in ordered]
            copies = [onnx.NodeProto.FromString(node.SerializeToString()) for node in nodes]
            del graph.node[:]
            graph.node.extend(copies)
    return model


def make_unique(graph: onnx.GraphProto) -> None:
    """Renames, in place, values inside branches and bodies that have the name of another value.

    ONNX allows different values of the same name in two branches; code that follows values by name would mix them up.
    """
    taken = set(_defined(graph))
    for node in graph.node:
        for inner in bodies(node):
            _rename(inner, {}, taken)


def order(graph: onnx.GraphProto) -> list[int]:
    """Indices of the nodes, each behind those whose results it reads; nodes that wait for themselves are left out."""
    made = {value for node in graph.node for value in node.output if value}
    waits = [{value for value in reads(node) if value in made} for node in graph.node]
    users: dict[str, list[int]] = {}
    for i, values in enumerate(waits):
        for value in values:
            users.setdefault(value, []).append(i)
    ready = [i for i, values in enumerate(waits) if not values]
    ordered = []
    while ready:
        ordered.append(heapq.heappop(ready))
        for value in graph.node[ordered[-1]].output:
            for user in users.pop(value, ()):
                waits[user].discard(value)
                if not waits[user]:
                    heapq.heappush(ready, user)
    return ordered


def reads(node: onnx.NodeProto) -> Iterator[str]:
    """Values that a node reads, what its branches or body read among them."""
    yield from filter(None, node.input)
    for body in bodies(node):
        for graph in scopes(body):
            yield from (value for inner in graph.node for value in inner.input if value)
            yield from (value.name for value in graph.output)


def in_words(node: onnx.NodeProto) -> str:
    """A node in a sentence: ``node 'name' (MatMul)``, by what it makes where it has no name."""
    return f"node {name_of(node)!r} ({node.op_type})"


def name_of(node: onnx.NodeProto) -> str:
    """A node's name, or that of what it makes where it has none."""
    return node.name or next((value for value in node.output if value), "")


def _repeated(model: onnx.ModelProto) -> set[str]:
    names = Counter(node.name for graph in graphs_of(model) for node in graph.node if node.name)
    return {name for name, count in names.items() if count > 1}


def _same_version(function: onnx.FunctionProto, versions: Mapping[str, int]) -> None:
    """Takes a function as one for the model's own versions where its operators are the same in both."""
    import onnx

    for entry in function.opset_import:
        version = versions.get(entry.domain, entry.version)
        kinds = {node.op_type for node in function.node if node.domain == entry.domain}
        try:
            same = all(_form(kind, entry.domain, entry.version) == _form(kind, entry.domain, version) for kind in kinds)
        except onnx.defs.SchemaError:
            same = False
        if same:
            entry.version = version


def _form(kind: str, domain: str, version: int) -> list[Any]:
    """What an operator takes and gives in a version: revisions that only add types leave it as it is."""
    import onnx

    schema = onnx.defs.get_schema(kind, version, domain)
    attributes = sorted((name, str(a.type), str(a.default_value)) for name, a in schema.attributes.items())
    return [attributes, [i.name for i in schema.inputs], [o.name for o in schema.outputs], schema.min_input]


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
