"""ONNX files: who opens them, what belongs to them, their MACs (``load.Format``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.graphs.costs import node_costs as costs
from workbench.graphs.macs import count_graph
from workbench.graphs.read import onnx_files as files
from workbench.measure.counts import Count
from workbench.runtimes.onnxruntime import session as sessions

if TYPE_CHECKING:
    import onnxruntime

__all__ = ["costs", "count", "files", "parallel", "session"]

parallel = True
_LARGE = 200_000_000
"""Bytes of a file from which one block planned for all tensors of a pass costs more memory than it saves time: 1 GB of
3.7 for BK-SDM-Tiny, and no time."""


def session(path: Path, threads: int | None = None) -> onnxruntime.InferenceSession:
    """A session that runs the file; for timing, ``session.session`` has the runtime's own settings."""
    return sessions.session(path, threads, patterns=sum(file.stat().st_size for file in files(path)) < _LARGE)


def count(path: Path, shapes: Mapping[str, Sequence[int]]) -> Count:
    """MACs and parameters by layer, for inputs of these shapes."""
    return count_graph(path, shapes).count
