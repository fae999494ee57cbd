"""ONNX Runtime on this machine's CPU: the target ``host``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

from workbench.graphs.read import onnx_files
from workbench.measure.counts import Count
from workbench.measure.layers import Layers
from workbench.measure.network import Network
from workbench.runtimes.base import ReadsFiles
from workbench.runtimes.descriptor import Descriptor
from workbench.runtimes.onnxruntime.layers import profile_layers
from workbench.runtimes.onnxruntime.passes import one_pass
from workbench.runtimes.onnxruntime.session import session


class OnnxRuntime(ReadsFiles):
    """Runs ONNX files at full optimization, one operator at a time."""

    loaded_per_file_byte: ClassVar[float] = 2.5
    settings: ClassVar[Mapping[str, Any]] = {
        "graph optimization": "all",
        "operators": "one at a time",
        "spinning": "on",
    }

    def __init__(self, descriptor: Descriptor) -> None:
        super().__init__(descriptor)
        import onnxruntime  # noqa: F401  (its import is not part of the first load)

    def files(self, network: Network) -> list[Path]:
        """The ONNX file and its external data."""
        return onnx_files(network.path)

    def load(self, network: Network, threads: int) -> Callable[[], object]:
        """A session, profiling off."""
        with network.loading():
            run = session(network.path, threads)
        return one_pass(run, network.feed)

    def layers(self, network: Network, counted: Count, threads: int, warmup: int, iterations: int) -> Layers:
        """Kernel times by layer, from the runtime's own profile."""
        with network.loading():
            return profile_layers(network, threads, warmup, iterations, counted)
