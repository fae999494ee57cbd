"""Where OpenVINO models are read and compiled, and a session over them like ONNX Runtime's.

OpenVINO is an optional dependency: it is imported when it is needed, and its absence is one InputError.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.errors import InputError, LoadError, RunError
from workbench.runtimes.openvino.failures import reason
from workbench.store.processor import default_threads

if TYPE_CHECKING:
    import numpy as np

SUFFIX = ".xml"
"""Of OpenVINO's own format; the weights lie beside it in a file of the same name that ends in ``.bin``."""
INSTALL = "'edge-workbench[openvino]'"

OPTIONS = {
    "INFERENCE_PRECISION_HINT": "f32",
    "PERFORMANCE_HINT": "LATENCY",
    "NUM_STREAMS": 1,
    "ENABLE_CPU_PINNING": False,
    "ENABLE_HYPER_THREADING": True,
}
"""What every model is compiled with. Without the first, a float32 model runs in bfloat16 wherever the machine has it.
Threads aren't bound to cores, as ONNX Runtime's aren't, and as many are used as are asked for."""

_TYPES = {
    "f32": "tensor(float)", "f64": "tensor(double)", "f16": "tensor(float16)", "bf16": "tensor(bfloat16)",
    "i8": "tensor(int8)", "u8": "tensor(uint8)", "i16": "tensor(int16)", "u16": "tensor(uint16)",
    "i32": "tensor(int32)", "u32": "tensor(uint32)", "i64": "tensor(int64)", "u64": "tensor(uint64)",
    "boolean": "tensor(bool)", "string": "tensor(string)",
}  # fmt: skip
"""OpenVINO's names of types to ONNX Runtime's."""


@dataclass(frozen=True)
class Port:
    """An input or output, as ONNX Runtime describes one: a side that isn't fixed is None."""

    name: str
    shape: list[int | None]
    type: str


class OpenVinoSession:
    """A compiled model with the methods of an ONNX Runtime session that this package uses."""

    def __init__(self, path: Path, threads: int | None = None, shapes: Mapping[str, tuple[int, ...]] | None = None):
        """Reads and compiles ``path`` (``.xml`` or ``.onnx``); ``shapes`` fixes those of inputs that leave some open.

        Raises:
            InputError: OpenVINO isn't installed.
            LoadError: the file can't be loaded.
        """
        model = read_model(path, shapes)
        self._path = path
        self._inputs = [_port(port) for port in model.inputs]
        self._outputs = [_port(port) for port in model.outputs]
        self._request = compile_model(model, path, threads).create_infer_request()

    def get_inputs(self) -> list[Port]:
        """The inputs in order."""
        return self._inputs

    def get_outputs(self) -> list[Port]:
        """The outputs in order."""
        return self._outputs

    def run(self, outputs: list[str] | None, feed: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        """One pass; the arrays are the caller's. ``outputs`` are the names of those wanted, None for all.

        Raises:
            RunError: an input is missing, has another shape than the model's, or there is none of that name.
        """
        missing = [port.name for port in self._inputs if port.name not in feed]
        if missing:  # OpenVINO would take what was in its memory before
            raise RunError(f"{self._path}: OpenVINO can't run it: no input {', '.join(missing)}")
        try:
            results = self._request.infer(dict(feed), share_inputs=True)
        except Exception as error:  # OpenVINO raises RuntimeError, and pybind's own for what it can't convert
            raise RunError(f"{self._path}: OpenVINO can't run it: {reason(error, self._path)}") from error
        by_name = {port.name: value for port, value in zip(self._outputs, results.values(), strict=True)}
        return [by_name[name] for name in (outputs or by_name)]


def openvino_files(path: Path) -> list[Path]:
    """All files that loading ``path`` reads: an ``.xml`` and its ``.bin``, or an ONNX file and its external data."""
    if path.suffix != SUFFIX:
        return [path, *sorted(path.parent.glob(f"{path.name}.data*"))]
    weights = path.with_suffix(".bin")
    return [path, weights] if weights.is_file() else [path]


def read_model(path: Path, shapes: Mapping[str, tuple[int, ...]] | None = None) -> Any:
    """The ``openvino.Model`` of an ``.xml`` or ``.onnx`` file; sides left open are fixed by ``shapes`` of inputs.

    Raises:
        InputError: OpenVINO isn't installed.
        LoadError: the file can't be read, or the shapes don't fit.
    """
    core = _core()
    try:
        model = core.read_model(path)
        if shapes and any(port.get_partial_shape().is_dynamic for port in model.inputs):
            model.reshape({name: list(shape) for name, shape in shapes.items()})
    except Exception as error:
        raise LoadError(f"{path}: OpenVINO can't load it: {reason(error, path)}") from error
    return model


def compile_model(model: Any, path: Path, threads: int | None = None, count: bool = False) -> Any:
    """The ``CompiledModel`` for one stream on the CPU; ``path`` is named in errors.

    ``threads``: ``default_threads()`` where it is None. ``count`` turns the counters of kernel times on. No cache of
    compiled models is used: a cold load is a cold one.

    Raises:
        LoadError: OpenVINO can't compile it.
    """
    options = OPTIONS | {"INFERENCE_NUM_THREADS": threads or default_threads(), "PERF_COUNT": count}
    try:
        return _core().compile_model(model, "CPU", options)
    except Exception as error:
        raise LoadError(f"{path}: OpenVINO can't load it: {reason(error, path)}") from error


@cache
def _core() -> Any:
    try:
        import openvino
    except ImportError:
        raise InputError("openvino is not installed", hint=f"pip install {INSTALL}") from None
    return openvino.Core()


def _port(port: Any) -> Port:
    shape = [None if side.is_dynamic else side.get_length() for side in port.get_partial_shape()]
    kind = port.get_element_type().to_string()
    return Port(_name(port), shape, _TYPES.get(kind, f"tensor({kind})"))


def _name(port: Any) -> str:
    """The first of the port's names; a model's own node where it has none."""
    names = sorted(port.get_names())
    return names[0] if names else port.get_node().get_friendly_name()
