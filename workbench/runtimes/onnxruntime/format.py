"""ONNX files: who opens them, what belongs to them, their MACs (``load.Format``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from workbench.graphs.costs import node_costs as costs
from workbench.graphs.macs import count_graph
from workbench.graphs.read import onnx_files as files
from workbench.measure.counts import Count
from workbench.runtimes.onnxruntime.session import session

__all__ = ["costs", "count", "files", "parallel", "session"]

parallel = True


def count(path: Path, shapes: Mapping[str, Sequence[int]]) -> Count:
    """MACs and parameters by layer, for inputs of these shapes."""
    return count_graph(path, shapes).count
