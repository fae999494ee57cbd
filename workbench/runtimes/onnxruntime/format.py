"""ONNX files: who opens them, what belongs to them, their MACs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.runtimes.descriptor import Format

if TYPE_CHECKING:
    from workbench.graphs.costs import NodeCost
    from workbench.measure.counts import Count


def _session(path: Path, threads: int | None) -> Any:
    from workbench.runtimes.onnxruntime.session import session

    return session(path, threads)


def _files(path: Path) -> list[Path]:
    from workbench.graphs.read import onnx_files

    return onnx_files(path)


def _costs(path: Path) -> list[NodeCost]:
    from workbench.graphs.costs import node_costs

    return node_costs(path)


def _count(path: Path, shapes: Mapping[str, Sequence[int]]) -> Count:
    from workbench.graphs.macs import count_graph

    return count_graph(path, shapes).count


FORMAT = Format("onnx", ".onnx", _session, _files, _costs, _count, parallel=True)
