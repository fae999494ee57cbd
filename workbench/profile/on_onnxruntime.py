"""ONNX Runtime on this machine's CPU: the target ``host``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from workbench.export.load import session
from workbench.models.candidate import Candidate
from workbench.profile.layers import Layers
from workbench.profile.macs import Count
from workbench.profile.memory import onnx_files
from workbench.profile.onnx_layers import profile_layers
from workbench.profile.runtime import Unit


class OnnxRuntime:
    """Runs every candidate, by its ONNX files."""

    name, target = "onnxruntime", "host"

    def __init__(self) -> None:
        import onnxruntime  # noqa: F401  (its import is not part of the first load)

    def path(self, candidate: Candidate, component: str, onnx: Mapping[str, Path]) -> Path | None:
        """The ONNX file of the component."""
        return onnx[component]

    def files(self, unit: Unit) -> list[Path]:
        """The ONNX file and its external data."""
        return onnx_files(unit.path)

    def load(self, unit: Unit, threads: int) -> Callable[[], object]:
        """A session at full optimization, profiling off."""
        run, feed = session(unit.path, threads), dict(unit.feed)
        return lambda: run.run(None, feed)

    def layers(self, unit: Unit, counted: Count, threads: int, warmup: int, iterations: int) -> Layers:
        """Kernel times by layer, from the runtime's own profile."""
        return profile_layers(unit.path, unit.feed, threads, warmup, iterations, unit.scheme, counted)
