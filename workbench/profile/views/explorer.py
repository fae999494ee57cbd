"""Times on the nodes of a graph, as Google's model-explorer overlays them (its "custom node data").

Format: ``GraphNodeData`` of the package ``ai-edge-model-explorer``: ``results`` by the name of an output tensor or by
node id. The ONNX adapter of today knows nodes by their names only, others know tensors: both keys are written.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.graphs.layer_names import Names
from workbench.graphs.read import read_model
from workbench.measure.layers import OUTSIDE, UNMAPPED
from workbench.runtimes.base import RUNTIMES, described
from workbench.runtimes.kernels import kernels_of
from workbench.store.files import write_atomic

if TYPE_CHECKING:
    import pandas as pd

GRADIENT = ((0, "#ffffff"), (0.1, "#fff3bf"), (0.4, "#ffa94d"), (1, "#e03131"))
"""Colours from the fastest to the slowest node: most nodes are near 0, so the first tenth gets a colour of its own."""
_SUFFIX = ".explorer.json"
_OWN = re.compile(r"[A-Za-z][A-Za-z0-9.]*(?:#\d+)?")
"""``OpType[#k]`` at the begin of what our exports write after the layer."""


def write_explorer(
    summary: Mapping[str, Any], table: pd.DataFrame, path: Path, graphs: Mapping[str, Path] | None = None
) -> list[Path]:
    """Writes time in ms per node of each component's ONNX graph; the files written.

    A layer's median time is shared out to its nodes in proportion to the kernels of one pass; what the runtime inserted
    goes to the layer's slowest node. So the values below a module add up to the module's time in the table.

    One file per component, since every ONNX file names its graph alike: ``path`` where there is one component, else
    with the component's name before its suffix. Without kernel events there is none, nor for a runtime of modules,
    which runs no graph.

    Args:
        summary: of a profile.
        table: its layers.
        path: the file to write, ``….explorer.json``.
        graphs: the ONNX files that ran, by component. Without them a few values may lie on no node (``node_times``).
    """
    runtime = summary.get("runtime")
    if runtime in RUNTIMES and not described(runtime).needs_file:
        return []
    components = [name for name, measured in summary["components"].items() if measured.get("events")]
    written = []
    for name in components:
        rows = table[table["component"] == name]
        times = dict(zip(rows["layer"], rows["latency_ms"], strict=True))
        events = summary["components"][name]["events"]
        data = {
            "name": f"{summary['candidate']}@{summary['target']} {name}, ms",
            "results": node_times(events, times, (graphs or {}).get(name), runtime),
            "gradient": [{"stop": stop, "bgColor": colour} for stop, colour in GRADIENT],
        }
        file = path if len(components) == 1 else _with_component(path, name)
        write_atomic(file, json.dumps(data, indent=1))
        written.append(file)
    return written


def _with_component(path: Path, component: str) -> Path:
    suffix = _SUFFIX if path.name.endswith(_SUFFIX) else path.suffix
    return path.with_name(f"{path.name.removesuffix(suffix)}.{component}{suffix}")


class _Keys:
    """From a kernel's name to the node that it came from, and from a node to the tensors that it makes."""

    def __init__(self, events: Sequence[Sequence[Any]], graph: Path | None, runtime: str | None) -> None:
        self._kernels = kernels_of(runtime)
        self._names = Names(read_model(graph).graph) if graph else None
        nodes = self._names.nodes if self._names else []
        self._outputs = {node.label: [value for value in node.proto.output if value] for node in nodes}
        named = [event for event in events if self._by_our_names(event[0], event[1])]
        self._ours = self._names is None and 2 * len(named) > len(events)

    def node(self, kernel: str, layer: str) -> str | None:
        """The graph's node; None for what the runtime named afresh."""
        if self._names:
            return self._names.find(kernel).origin
        return self._by_our_names(kernel, layer) if self._ours else kernel

    def guess(self, layer: str, op: str) -> str | None:
        """The node of a layer whose kernels all have names of the runtime's own: the one that its operator comes from.

        ``SkipLayerNormalization`` computes an exported ``LayerNormalization`` and what stood before it.
        """
        if self._names is None:
            return f"{layer}/{self._kernels.unwrapped(op)}" if self._ours else None
        pairs = zip(self._names.layer_of, self._names.nodes, strict=True)
        nodes = [node for at, node in pairs if at == layer and node.proto.op_type != "Constant"]
        alike = [node for node in nodes if op.endswith(node.proto.op_type)]
        return next((node.label for node in (*alike, *nodes[-1:])), None)

    def of(self, node: str) -> list[str]:
        """The keys of a node: its tensors, then itself."""
        return [*self._outputs.get(node, [f"{node}:0"] if self._ours else []), node]

    @staticmethod
    def _by_our_names(kernel: str, layer: str) -> str | None:
        head, slash, tail = kernel.partition("/")
        match = _OWN.match(tail) if slash and head == layer else None
        return f"{layer}/{match[0]}" if match else None


def node_times(
    events: Sequence[Sequence[Any]],
    times: Mapping[str, float],
    graph: Path | None = None,
    runtime: str | None = None,
) -> dict[str, dict[str, float]]:
    """``results`` of a component: ``{key: {"value": ms}}``, each node under its tensors' names and its own.

    Args:
        events: kernels of one pass, as the summary holds them.
        times: median ms by layer.
        graph: the ONNX file that ran. Without it nodes and tensors are told by the names that our exports give (a layer
            of which only inserted kernels are left can't be); in a profile of another exporter's file by the kernels'
            names, and tensors not at all.
        runtime: the name of that which ran it.
    """
    keys = _Keys(events, graph, runtime)
    spent: defaultdict[str, defaultdict[str | None, float]] = defaultdict(lambda: defaultdict(float))
    ops: dict[str, str] = {}
    for name, layer, op, _start, duration in sorted(events, key=lambda event: event[4]):
        spent[layer][keys.node(name, layer)] += duration
        ops[layer] = op
    results: dict[str, dict[str, float]] = {}
    for layer, nodes in spent.items():
        inserted = nodes.pop(None, 0.0)
        if not nodes and (guess := keys.guess(layer, ops[layer])):
            nodes[guess] = 0.0
        if not nodes or layer in (UNMAPPED, OUTSIDE):
            continue
        nodes[max(nodes, key=lambda node: nodes[node])] += inserted
        whole = sum(nodes.values())
        for node, duration in nodes.items():
            share = duration / whole if whole else 1 / len(nodes)
            for key in keys.of(str(node)):
                results[key] = {"value": round(times.get(layer, 0.0) * share, 6)}
    return results
