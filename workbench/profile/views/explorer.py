"""Times on the nodes of a graph, as Google's model-explorer overlays them (its "custom node data").

Format: ``GraphNodeData`` of the package ``ai-edge-model-explorer``: ``results`` by the name of an output tensor or by
node id. The ONNX adapter of today knows nodes by their names only, others know tensors: both keys are written.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.graphs.layer_names import Names
from workbench.graphs.read import read_model
from workbench.measure.layers import OUTSIDE, UNMAPPED
from workbench.runtimes.base import RUNTIMES, described
from workbench.store.files import write_atomic

if TYPE_CHECKING:
    import pandas as pd

GRADIENT = ((0, "#ffffff"), (0.1, "#fff3bf"), (0.4, "#ffa94d"), (1, "#e03131"))
"""Colours from the fastest to the slowest node: most nodes are near 0, so the first tenth gets a colour of its own."""
_SUFFIX = ".explorer.json"


def write_explorer(
    summary: Mapping[str, Any], table: pd.DataFrame, path: Path, graphs: Mapping[str, Path]
) -> list[Path]:
    """Writes time in ms per node of each component's ONNX graph; the files written.

    A layer's median time is shared out to its nodes in proportion to the kernels of one pass; what the runtime inserted
    goes to the layer's slowest node. So the values below a module add up to the module's time in the table.

    One file per component, since every ONNX file names its graph alike: ``path`` where there is one component, else
    with the component's name before its suffix. Without kernel events there is none, nor for a runtime of modules,
    which runs no graph, nor for a file of another format.

    Args:
        summary: of a profile.
        table: its layers.
        path: the file to write, ``….explorer.json``.
        graphs: the files that ran, by component.
    """
    runtime = summary.get("runtime")
    if runtime in RUNTIMES and not described(runtime).needs_file:
        return []
    ran = {name: measured["events"] for name, measured in summary["components"].items() if measured.get("events")}
    ran = {name: events for name, events in ran.items() if name in graphs and graphs[name].suffix == ".onnx"}
    written = []
    for name, events in ran.items():
        rows = table[table["component"] == name]
        times = dict(zip(rows["layer"], rows["latency_ms"], strict=True))
        data = {
            "name": f"{summary['candidate']}@{summary['target']} {name}, ms",
            "results": node_times(events, times, graphs[name]),
            "gradient": [{"stop": stop, "bgColor": colour} for stop, colour in GRADIENT],
        }
        file = path if len(ran) == 1 else _with_component(path, name)
        write_atomic(file, json.dumps(data, indent=1))
        written.append(file)
    return written


def _with_component(path: Path, component: str) -> Path:
    suffix = _SUFFIX if path.name.endswith(_SUFFIX) else path.suffix
    return path.with_name(f"{path.name.removesuffix(suffix)}.{component}{suffix}")


def node_times(events: Sequence[Sequence[Any]], times: Mapping[str, float], graph: Path) -> dict[str, dict[str, float]]:
    """``results`` of a component: ``{key: {"value": ms}}``, each node under its tensors' names and its own.

    Args:
        events: kernels of one pass, as the summary holds them.
        times: median ms by layer.
        graph: the ONNX file that ran.
    """
    names = Names(read_model(graph).graph)
    outputs = {node.label: [value for value in node.proto.output if value] for node in names.nodes}
    spent: defaultdict[str, defaultdict[str | None, float]] = defaultdict(lambda: defaultdict(float))
    ops: dict[str, str] = {}
    for name, layer, op, _start, duration in sorted(events, key=lambda event: event[4]):
        spent[layer][names.find(name).origin] += duration
        ops[layer] = op
    results: dict[str, dict[str, float]] = {}
    for layer, nodes in spent.items():
        inserted = nodes.pop(None, 0.0)  # what the runtime named afresh
        if not nodes and (guess := _main_node(names, layer, ops[layer])):
            nodes[guess] = 0.0
        if not nodes or layer in (UNMAPPED, OUTSIDE):
            continue
        nodes[max(nodes, key=lambda node: nodes[node])] += inserted
        whole = sum(nodes.values())
        for node, duration in nodes.items():
            share = duration / whole if whole else 1 / len(nodes)
            for key in (*outputs[str(node)], str(node)):
                results[key] = {"value": round(times.get(layer, 0.0) * share, 6)}
    return results


def _main_node(names: Names, layer: str, op: str) -> str | None:
    """The node of a layer that its kernels come from, where all have names of the runtime's own.

    ``SkipLayerNormalization`` computes an exported ``LayerNormalization`` and what stood before it.
    """
    pairs = zip(names.layer_of, names.nodes, strict=True)
    nodes = [node for at, node in pairs if at == layer and node.proto.op_type != "Constant"]
    alike = [node for node in nodes if op.endswith(node.proto.op_type)]
    return next((node.label for node in (*alike, *nodes[-1:])), None)
