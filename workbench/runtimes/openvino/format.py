"""OpenVINO's own files: who opens them, what belongs to them, their MACs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.runtimes.descriptor import Format
from workbench.runtimes.openvino.session import SUFFIX, openvino_files

if TYPE_CHECKING:
    from workbench.graphs.costs import NodeCost
    from workbench.measure.counts import Count


def _session(path: Path, threads: int | None) -> Any:
    from workbench.runtimes.openvino.session import OpenVinoSession

    return OpenVinoSession(path, threads)


def _costs(path: Path) -> list[NodeCost]:
    from workbench.runtimes.openvino.costs import openvino_costs

    return openvino_costs(path)


def _count(path: Path, _shapes: Mapping[str, Sequence[int]]) -> Count:
    from workbench.runtimes.openvino.costs import openvino_count

    return openvino_count(path)


FORMAT = Format("openvino", SUFFIX, _session, openvino_files, _costs, _count)
