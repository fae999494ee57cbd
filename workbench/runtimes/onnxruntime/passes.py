"""One pass of a session, for inputs and outputs of every type; what goes wrong in it, with its node."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.errors import RunError
from workbench.runtimes.onnxruntime.failures import reason

if TYPE_CHECKING:
    import numpy as np
    import onnxruntime

_HELD_BY_NUMPY = (
    "float", "double", "float16", "int64", "int32", "int16", "int8", "uint64", "uint32", "uint16", "uint8", "bool",
    "string", "float8e4m3fn", "float8e4m3fnuz", "float8e5m2", "float8e5m2fnuz",
)  # fmt: skip
"""Element types of outputs that become arrays; the others stay the runtime's own values."""


def one_pass(run: onnxruntime.InferenceSession, feed: Mapping[str, np.ndarray], path: Path) -> Callable[[], object]:
    """A function that runs one pass; ``path`` is the file, for errors.

    Raises, when it is called:
        RunError: the runtime failed; says in which node and why.
    """
    known = [f"tensor({kind})" for kind in _HELD_BY_NUMPY]
    tensors = [output.type for output in run.get_outputs() if output.type.startswith("tensor")]
    if all(kind in known for kind in tensors) and not any(_is_foreign(value) for value in feed.values()):
        arrays = dict(feed)
        return _with_reason(lambda: run.run(None, arrays), path)
    values = {name: _own_value(value) for name, value in feed.items()}
    return _with_reason(lambda: run.run_with_ort_values(None, values), path)


def _with_reason(call: Callable[[], object], path: Path) -> Callable[[], object]:
    def run() -> object:
        try:
            return call()
        except Exception as error:  # onnxruntime raises a dozen unrelated classes, one per status code
            raise RunError(f"{path}: ONNX Runtime can't run it: {reason(error, path)}") from error

    return run


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
