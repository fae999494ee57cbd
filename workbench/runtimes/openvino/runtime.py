"""OpenVINO on this machine's CPU: the target ``host-openvino``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

from workbench.measure.counts import Count
from workbench.measure.layers import Layers
from workbench.measure.network import Network
from workbench.runtimes.base import ReadsFiles
from workbench.runtimes.descriptor import Descriptor
from workbench.runtimes.openvino.layers import profile_openvino
from workbench.runtimes.openvino.session import OPTIONS, OpenVinoSession, openvino_files


class OpenVino(ReadsFiles):
    """Runs ONNX files and OpenVINO's own, float32 as float32 (its default on many machines is bfloat16)."""

    loaded_per_file_byte: ClassVar[float] = 2.5
    settings: ClassVar[Mapping[str, Any]] = OPTIONS
    """What every network runs with, to be recorded with its figures."""

    def __init__(self, descriptor: Descriptor) -> None:
        super().__init__(descriptor)
        import openvino  # noqa: F401  (its import is not part of the first load)

    def files(self, network: Network) -> list[Path]:
        """The ONNX file and its external data, or the ``.xml`` and its ``.bin``."""
        return openvino_files(network.path)

    def load(self, network: Network, threads: int) -> Callable[[], object]:
        """A compiled model, counters off; sides that the file leaves open are those of the network's inputs."""
        feed = dict(network.feed)
        with network.loading():
            run = OpenVinoSession(network.path, threads, {name: value.shape for name, value in feed.items()})
        return lambda: run.run(None, feed)

    def layers(self, network: Network, counted: Count, threads: int, warmup: int, iterations: int) -> Layers:
        """Kernel times by layer, from the runtime's own counters."""
        with network.loading():
            return profile_openvino(network, counted, threads, warmup, iterations)
