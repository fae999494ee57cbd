"""Where ONNX Runtime sessions are made."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from workbench.errors import LoadError, RunError, WorkbenchError
from workbench.runtimes.onnxruntime.failures import reason
from workbench.store.processor import default_threads, int8_overflows

if TYPE_CHECKING:
    import onnxruntime

Optimization = Literal["none", "basic", "all"]
_LEVELS = {"none": "ORT_DISABLE_ALL", "basic": "ORT_ENABLE_BASIC", "all": "ORT_ENABLE_ALL"}
_FATAL = 4
"""From here on the runtime writes to the terminal: what it fails at it also raises."""
_BESIDE_FROM = 8192
"""Bytes of a tensor from which it lies beside an optimized graph; constants that decide shapes are smaller."""


SESSION_CONFIG = {
    # Workers spin while a pass runs (a U-Net has hundreds of short operators; waking a thread for each costs more than
    # the operator), and stop at its end: sessions of several candidates in one process would steal each other's cores.
    "session.intra_op.allow_spinning": "1",
    "session.force_spinning_stop": "1",
    # The runtime would round the inputs of linears with 8-bit weights to 8 bits on its own, whatever the file says
    # (w8a16 of the demo's U-Net: 31.6 instead of 34.7 dB).
    "session.qdq_matmulnbits_accuracy_level": "1",
}
"""Entries of every session, on the host and on devices, so that they run alike."""
_WEIGHTS_IN = "session.model_external_initializers_file_folder_path"
_AS_UINT8 = "session.x64quantprecision"
"""Weights of 8-bit products as uint8. ONNX Runtime 1.32 can't load every file so: not where integer products share a
weight or zero point, nor a QGemm of int8 by int8."""


def session(
    path: Path,
    threads: int | None = None,
    profile_prefix: Path | str | None = None,
    optimized_path: Path | None = None,
    optimization: Optimization = "all",
    patterns: bool = True,
    graph: bytes | None = None,
) -> onnxruntime.InferenceSession:
    """A CPU session over an ONNX file, with ``threads`` threads inside an operator and one operator at a time.

    Without ``threads``: ``default_threads()``. Where a graph quantizes activations and no product of it is one of 8-bit
    integers, weights are unpacked when it is loaded: dequantizing them in every pass would gain nothing.

    ``profile_prefix`` turns the runtime's per-node profile on (its file starts with that path); ``optimized_path`` is
    where the graph that is really executed is written. Without ``patterns`` the runtime doesn't plan one block for all
    tensors of a pass: at full size that saves 1 GB and takes no longer, where a few passes are made. ``graph``: a
    serialized model that is run in place of the file's, with weights that lie beside the file.

    Raises:
        LoadError: the file can't be loaded.
        RunError: from a pass that fails; says in which node and why.
    """
    import onnxruntime

    def made(config: Mapping[str, str]) -> onnxruntime.InferenceSession:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = _FATAL
        options.intra_op_num_threads = threads or default_threads()
        options.inter_op_num_threads = 1
        options.enable_mem_pattern = patterns
        options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
        options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, _LEVELS[optimization])
        if profile_prefix is not None:
            options.enable_profiling = True
            options.profile_file_prefix = str(profile_prefix)
        if optimized_path is not None:
            options.optimized_model_filepath = str(optimized_path)
            # Weights beside it: one file ends at 2 GiB, and serializing 1.3 GB would take them into memory twice.
            beside = "session.optimized_model_external_initializers"
            config = {
                **config,
                f"{beside}_file_name": f"{optimized_path.name}.data",
                f"{beside}_min_size_in_bytes": str(_BESIDE_FROM),
            }
        for key, value in config.items():
            options.add_session_config_entry(key, value)
        if graph is not None:
            options.add_session_config_entry(_WEIGHTS_IN, str(path.parent))
        return _session_class()(path, graph or str(path), options, providers=["CPUExecutionProvider"])

    config = session_config(path)
    try:
        try:
            return made(config)
        except Exception:
            if config.pop(_AS_UINT8, None) is None:
                raise
            return made(config)
    except Exception as error:  # onnxruntime raises a dozen unrelated classes, one per status code
        raise LoadError(f"{path}: ONNX Runtime can't load it: {reason(error, path)}") from error


@cache
def _session_class() -> Any:
    import onnxruntime

    class Session(onnxruntime.InferenceSession):
        """Raises RunError, with node and reason, where a pass fails."""

        def __init__(self, path: Path, *arguments: Any, **more: Any) -> None:
            self._path = path
            super().__init__(*arguments, **more)

        def run(self, *arguments: Any) -> Any:
            return self._reported(super().run, *arguments)

        def run_with_ort_values(self, *arguments: Any) -> Any:
            return self._reported(super().run_with_ort_values, *arguments)

        def _reported(self, call: Callable[..., Any], *arguments: Any) -> Any:
            try:
                return call(*arguments)
            except Exception as error:  # a dozen unrelated classes, one per status code
                raise RunError(f"{self._path}: ONNX Runtime can't run it: {reason(error, self._path)}") from error

    return Session


def machine_config(flags: Collection[str] | None = None) -> dict[str, str]:
    """The entries of a session on a processor with these features (None: this machine's), by key.

    Where int8 products are summed in 16 bits they overflow: a small U-Net in W8A8 came out at 10 instead of over 20 dB.
    There the runtime is set to take weights as uint8, which can't. Elsewhere nothing would change but the time: with
    VNNI a pass of that U-Net takes 1.4 times as long so.
    """
    return {**SESSION_CONFIG, **({_AS_UINT8: "1"} if int8_overflows(flags) else {})}


def session_config(path: Path, flags: Collection[str] | None = None) -> dict[str, str]:
    """The entries of a session of ``path``, by key: those of the machine, and what the file itself asks for."""
    return machine_config(flags) | ({"session.disable_quant_qdq": "1"} if simulated(path) else {})


def simulated(path: Path) -> bool:
    """Whether an ONNX file quantizes activations, but so that every product is computed in float."""
    from workbench.graphs.costs import dequantized
    from workbench.graphs.read import read_model

    try:
        graph = read_model(path).graph
    except WorkbenchError:
        return False  # the runtime says what is wrong with the file
    if not any(node.op_type == "QuantizeLinear" for node in graph.node):
        return False
    eight = dequantized(graph)
    products = (node for node in graph.node if node.op_type in ("Conv", "Gemm", "MatMul"))
    return not any(eight.issuperset(node.input[:2]) for node in products)
