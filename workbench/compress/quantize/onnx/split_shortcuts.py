"""Shortcut convolutions after a concatenation as two convolutions, each with scales and a range of its own.

An up block's shortcut takes the decoder's features and the encoder's skip side by side; their ranges differ so much
that one scale over both loses the smaller (Q-Diffusion, arXiv 2302.04304). A convolution is linear in its
input channels, so the two halves add up to the whole.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from workbench.graphs.edit import add_initializer
from workbench.graphs.external import unmapped
from workbench.graphs.names import layer_of, name_new

if TYPE_CHECKING:
    import numpy as np
    import onnx_ir as ir

SUFFIX = "conv_shortcut"


def split_shortcuts(model: ir.Model, layers: Collection[str]) -> list[dict[str, Any]]:
    """In place, for those of ``layers`` that are shortcuts: Conv(Concat(h, skip)) becomes Conv(h) + Conv(skip).

    Returns, in the graph's order: ``layer``, ``at`` (channels of h, where the weight [N, C, kh, kw] is cut), ``of``
    (C). Shortcuts of down blocks have no concatenation before them and stay as they are.
    """
    import onnx_ir as ir

    report: list[dict[str, Any]] = []
    added: dict[ir.Node, str] = {}
    for conv in list(model.graph):
        layer = layer_of(conv.name or "")
        parts = _parts(conv) if layer in layers and layer.rsplit(".", 1)[-1] == SUFFIX else None
        if parts is None:
            continue
        weight, out = _constant(conv), conv.outputs[0]
        at = _channels(parts[0])
        assert out.dtype is not None
        halves = [
            _convolution(model, conv, part, half, f"{layer}.weight.{name}", bias)
            for part, half, name, bias in (
                (parts[0], weight[:, :at], "h", conv.inputs[2] if len(conv.inputs) > 2 else None),
                (parts[1], weight[:, at:], "skip", None),
            )
        ]
        add = ir.node("Add", [half.outputs[0] for half in halves])
        for node in (*halves, add):
            node.outputs[0].dtype, node.outputs[0].shape = out.dtype, out.shape
        model.graph.insert_before(conv, [*halves, add])
        ir.convenience.replace_all_uses_with(out, add.outputs[0], replace_graph_outputs=True)
        old = conv.inputs[1]
        model.graph.remove([conv], safe=True)
        if old is not None and old.name is not None and not old.uses():
            model.graph.initializers.pop(old.name)
        added.update(dict.fromkeys((*halves, add), layer))
        report.append({"layer": layer, "at": at, "of": int(weight.shape[1])})
    name_new(model, added)
    return report


def _parts(conv: ir.Node) -> tuple[ir.Value, ir.Value] | None:
    """h and skip, where ``conv`` is an ungrouped convolution of a concatenation of two along the channels."""
    if conv.op_type != "Conv" or conv.inputs[0] is None or conv.inputs[1] is None or conv.inputs[1].const_value is None:
        return None
    concat, group = conv.inputs[0].producer(), conv.attributes.get("group")
    if concat is None or concat.op_type != "Concat" or concat.attributes["axis"].as_int() not in (1, -3):
        return None
    if len(concat.inputs) != 2 or (group is not None and group.as_int() != 1):
        return None
    first, second = concat.inputs
    return (first, second) if first is not None and second is not None and first.shape is not None else None


def _channels(value: ir.Value) -> int:
    assert value.shape is not None
    return int(value.shape[1])  # type: ignore[arg-type]


def _constant(conv: ir.Node) -> np.ndarray:
    weight = conv.inputs[1]
    assert weight is not None and weight.const_value is not None
    return unmapped(weight.const_value)


def _convolution(
    model: ir.Model, like: ir.Node, data: ir.Value, weight: np.ndarray, name: str, bias: ir.Value | None
) -> ir.Node:
    import numpy as np
    import onnx_ir as ir

    stored = add_initializer(model, name, np.ascontiguousarray(weight))
    inputs = [data, stored] if bias is None else [data, stored, bias]
    return ir.node("Conv", inputs, attributes=dict(like.attributes))
