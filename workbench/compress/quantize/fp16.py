"""Scheme ``fp16``: weights and activations in half precision, inputs and outputs as before."""

from __future__ import annotations

import logging
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.export.onnx import save
from workbench.graphs.names import ROOT, layer_of, name_new

if TYPE_CHECKING:
    import onnx_ir as ir


def to_fp16(model: ir.Model, exempt: Collection[str], out: Path) -> None:
    """Writes the model in float16 to ``out``; the layers in ``exempt`` stay float32.

    The runtimes' CPU kernels compute in float32 and convert on the way, unless the processor has half-precision
    arithmetic.
    """
    import onnx_ir as ir
    from onnxruntime.transformers.float16 import convert_float_to_float16

    known = {node: node.name for node in model.graph}
    keep = [node.name for node in model.graph if layer_of(node.name or "") in exempt]
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)
    try:
        made = convert_float_to_float16(ir.to_proto(model), keep_io_types=True, node_block_list=keep)
    finally:
        root.setLevel(level)
    half = ir.from_proto(made)
    names = set(known.values())
    half.graph.sort()
    added = {node: _layer(node) for node in half.graph if node.name not in names}
    name_new(half, added)
    save(half, out)


def _layer(node: ir.Node) -> str:
    """A conversion belongs to the layer that reads it; at the end of the graph to the one that made the value."""
    user = next((u.node for u in node.outputs[0].uses()), None)
    near = user if user is not None else node.inputs[0].producer() if node.inputs[0] is not None else None
    return layer_of(near.name or "") if near is not None else ROOT
