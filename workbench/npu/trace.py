"""What the compiler tells of a compilation: partitions, operators on the NPU, nodes off it by layer, and why."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.graphs.layer_names import Names
from workbench.graphs.names import ROOT
from workbench.graphs.read import read_model
from workbench.npu.child import LOG
from workbench.npu.reasons import in_words
from workbench.npu.worker import TRACE

_REFUSED = re.compile(r"failed for node `(?P<node>[^`]*)` of type `(?P<op>[^`]*)`")
_CASTS = ("QuantizeLinear", "DequantizeLinear", "Cast")


@dataclass(frozen=True)
class Off:
    """A node that stays off the NPU: its operator and layer, why, and what would mend it ("" where nobody knows)."""

    node: str
    op: str
    layer: str
    why: str
    mend: str
    reason: str
    """The compiler's own words."""

    @property
    def computes(self) -> bool:
        """Whether it does more than change a type."""
        return self.op not in _CASTS


@dataclass(frozen=True)
class Compiled:
    """A network as compiled. Nothing here is a time on the NPU: none is known.

    ``nodes``: of the ONNX graph, as ONNX Runtime simplified it; ``off``: those that stay off the NPU. ``partitions``:
    operators of the NPU in each part that runs there in one go; between them the CPU computes. ``npu_ops``: how many
    of each operator the NPU runs. ``seconds`` and ``peak_bytes`` are what compiling took here, once.
    """

    nodes: int
    off: tuple[Off, ...]
    partitions: tuple[int, ...]
    npu_ops: Mapping[str, int]
    context_bytes: int
    seconds: float
    peak_bytes: int | None


def read_trace(folder: Path, outcome: Mapping[str, Any], model: Path) -> Compiled:
    """What was compiled in ``folder``, with the worker's ``outcome``, from the file ``model``."""
    trace = json.loads((folder / TRACE).read_bytes())
    names = Names(read_model(model).graph)
    known = {node.label: i for i, node in enumerate(names.nodes)}
    refused = {match["node"]: match["op"] for match in _REFUSED.finditer((folder / LOG).read_text())}
    parts = [[each["dst_qnn_op_type"] for each in part["op_mappings"]] for part in trace["subgraph_traces"]]
    return Compiled(
        nodes=trace["summary"]["total_onnx_nodes"],
        off=tuple(_off(each, names, known, refused) for each in trace["unsupported_nodes"]),
        partitions=tuple(map(len, parts)),
        npu_ops=dict(Counter(op for part in parts for op in part).most_common()),
        **outcome,
    )


def _off(each: Mapping[str, Any], names: Names, known: Mapping[str, int], refused: Mapping[str, str]) -> Off:
    node, op, reason = each["node_name"], each["op_type"], each["reason"]
    place = names.find(node)
    index = known.get(node, known.get(place.origin or ""))
    why, mend = in_words(reason, op, refused.get(node, ""), names, index)
    return Off(node, op, place.layer or ROOT, why, mend, reason)
