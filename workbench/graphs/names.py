"""Every node and value of an exported graph named by its layer, so that the layer survives into a runtime's profile.

Node name: ``<layer>/<OpType>``, with ``#1``, ``#2``, … where that isn't unique; value name: ``<node name>:<i>``. ONNX
Runtime keeps node names in its profile, and where it replaces nodes it derives names from node or value names.
"""

from __future__ import annotations

import ast
import itertools
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnx_ir as ir

ROOT = "(root)"
"""The layer of operations outside all modules."""

SCOPES = "pkg.torch.onnx.name_scopes"
"""Metadata key of the modules around a node, in PyTorch's exports."""


def name_by_layer(model: ir.Model, wrapper: str = "") -> list[str]:
    """Renames all nodes and their outputs in place; ``wrapper`` is the attribute that holds the component, if any.

    Returns the old names of nodes whose layer is unknown; they are assigned to the root.
    """
    graph = model.graph
    layers = {node: _layer(node, wrapper) for node in graph}
    while True:
        # Nodes from a function's body or a split have no metadata: they belong to the nodes that use them.
        orphans = [node for node, layer in layers.items() if layer is None]
        adopted = {node: layer for node in orphans if (layer := _neighbour(node, layers)) is not None}
        if not adopted:
            break
        layers.update(adopted)
    unknown = [node.name or node.op_type for node, layer in layers.items() if layer is None]

    keep = {*graph.inputs, *graph.outputs}
    counts = Counter(f"{layer or ROOT}/{node.op_type}" for node, layer in layers.items())
    seen: Counter[str] = Counter()
    for node, layer in layers.items():
        name = f"{layer or ROOT}/{node.op_type}"
        if counts[name] > 1:
            seen[name] += 1
            name = f"{name}#{seen[name]}"
        node.name = name
        node.metadata_props.clear()  # stack traces of the export, a tenth of the file
        for i, value in enumerate(node.outputs):
            if value not in keep:
                value.name = f"{name}:{i}"
    for name, value in list(graph.initializers.items()):
        if wrapper and name.startswith(f"{wrapper}."):
            value.name = name.removeprefix(f"{wrapper}.")
    return unknown


def name_new(model: ir.Model, layers: Mapping[ir.Node, str]) -> None:
    """Names the nodes in ``layers``, which were added to a named graph; the others keep their names."""
    taken = {node.name for node in model.graph if node not in layers}
    for node, layer in layers.items():
        base = f"{layer}/{node.op_type}"
        name = next(n for k in itertools.count() if (n := f"{base}#{k}" if k else base) not in taken)
        taken.add(name)
        node.name = name
        for i, value in enumerate(node.outputs):
            if not value.is_graph_output():
                value.name = f"{name}:{i}"


def layer_of(name: str) -> str:
    """The layer in a node's or value's name; the name itself when it has none."""
    return name.rsplit("/", 1)[0] if "/" in name else name


def of_scopes(text: str) -> str | None:
    """The deepest module in the value of ``SCOPES``, a list whose last entry is the operation itself; None: no list."""
    try:
        path = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return None
    if not isinstance(path, list) or not path:
        return None
    return next((scope for scope in reversed(path[:-1]) if isinstance(scope, str) and scope), ROOT)


def _layer(node: ir.Node, wrapper: str) -> str | None:
    """The deepest module around the node, inside the wrapper."""
    layer = of_scopes(node.metadata_props.get(SCOPES, ""))
    if layer is None or not wrapper:
        return layer
    return ROOT if layer == wrapper else layer.removeprefix(f"{wrapper}.")


def _neighbour(node: ir.Node, layers: dict[ir.Node, str | None]) -> str | None:
    after = [layers.get(user) for value in node.outputs for user, _ in value.uses()]
    before = [layers.get(p) for value in node.inputs if value is not None and (p := value.producer()) is not None]
    return next((layer for layer in (*after, *before) if layer is not None), None)
