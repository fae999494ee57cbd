"""An OpenVINO model whose batch was fixed to 1, for any batch."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from workbench.errors import RunError

_FIXED = ("Broadcast", "Tile")
"""Operations that say a shape as Reshape does."""


def free_batch(model: Any, inputs: Collection[str]) -> None:
    """Opens the first side of these inputs and of all that is made from them; how: ``layouts/onnx/free_batch.py``.

    Raises:
        RunError: an operation fixes the batch in another way.
    """
    import numpy as np
    from openvino import opset13

    rows: set[str] = set()
    for node in model.get_ordered_ops():
        kind, name = node.get_type_name(), node.get_friendly_name()
        if kind == "Parameter":
            rows |= {name} if node.output(0).get_names() & set(inputs) else set()
        if kind == "ShapeOf" or not any(port.get_node().get_friendly_name() in rows for port in node.input_values()):
            continue
        rows.add(name)
        if kind not in ("Reshape", *_FIXED) or node.input_value(1).get_node().get_type_name() != "Constant":
            continue
        if kind in _FIXED:
            raise RunError(f"{name}: {kind} fixes the batch: the model runs with a batch of 1 only")
        shape = opset13.constant(np.array([-1, *node.output(0).get_shape()[1:]], np.int64))
        node.input(1).replace_source_output(shape.output(0))
    model.reshape(
        {port: [-1, *list(port.get_partial_shape())[1:]] for port in model.inputs if port.get_names() & set(inputs)}
    )
