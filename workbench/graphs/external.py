"""Weights that lie beside an ONNX file, read one at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import onnx_ir as ir


def unmapped(tensor: ir.TensorProtocol) -> np.ndarray:
    """A tensor's values as an array of its own; the file that they lie in doesn't stay in memory."""
    import onnx_ir as ir

    if not isinstance(tensor, ir.ExternalTensor):
        return tensor.numpy()
    values = tensor.numpy().copy()
    tensor.release()
    return values
