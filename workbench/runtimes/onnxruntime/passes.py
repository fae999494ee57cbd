"""One pass of a session, for inputs and outputs of every type."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import onnxruntime

_HELD_BY_NUMPY = (
    "float", "double", "float16", "int64", "int32", "int16", "int8", "uint64", "uint32", "uint16", "uint8", "bool",
    "string", "float8e4m3fn", "float8e4m3fnuz", "float8e5m2", "float8e5m2fnuz",
)  # fmt: skip
"""Element types of outputs that become arrays; the others stay the runtime's own values."""


def one_pass(run: onnxruntime.InferenceSession, feed: Mapping[str, np.ndarray]) -> Callable[[], object]:
    """A function that runs one pass of a ``session``."""
    known = [f"tensor({kind})" for kind in _HELD_BY_NUMPY]
    tensors = [output.type for output in run.get_outputs() if output.type.startswith("tensor")]
    if all(kind in known for kind in tensors) and not any(_is_foreign(value) for value in feed.values()):
        return partial(run.run, None, dict(feed))
    values = {name: _own_value(value) for name, value in feed.items()}
    return partial(run.run_with_ort_values, None, values)


def _is_foreign(value: np.ndarray) -> bool:
    """Whether an array is of a type that numpy itself hasn't."""
    return value.dtype.kind == "V"


def _own_value(value: np.ndarray) -> Any:
    import onnx
    import onnxruntime

    if not _is_foreign(value):
        return onnxruntime.OrtValue.ortvalue_from_numpy(value)
    kind = onnx.helper.np_dtype_to_tensor_dtype(value.dtype)
    return onnxruntime.OrtValue.ortvalue_from_numpy_with_onnx_type(value.view(f"u{value.dtype.itemsize}"), kind)
