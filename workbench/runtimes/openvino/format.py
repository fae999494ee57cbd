"""OpenVINO's own files: who opens them, what belongs to them, their MACs (``load.Format``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from workbench.graphs.costs import NodeCost
from workbench.measure.counts import Count, LayerCount
from workbench.runtimes.openvino.costs import costs_of
from workbench.runtimes.openvino.session import OpenVinoSession as session
from workbench.runtimes.openvino.session import openvino_files as files
from workbench.runtimes.openvino.session import read_model

__all__ = ["costs", "count", "files", "parallel", "session"]

parallel = False


def costs(path: Path) -> list[NodeCost]:
    """The cost of every product whose shapes are static, as ``node_costs`` has those of an ONNX file.

    Raises:
        InputError: OpenVINO isn't installed.
        RunError: the file can't be loaded.
    """
    return costs_of(read_model(path))


def count(path: Path, _shapes: Mapping[str, Sequence[int]]) -> Count:
    """The products of an OpenVINO model and the weights that they multiply with; the rest isn't counted there."""
    layers: dict[str, list[NodeCost]] = {}
    for cost in costs(path):
        layers.setdefault(cost.layer, []).append(cost)
    rows = (
        LayerCount(
            layer=layer,
            kind=products[0].op,
            params=sum(cost.weights for cost in products),
            macs=sum(cost.macs for cost in products if cost.weights),
            attention_macs=sum(cost.macs for cost in products if not cost.weights),
            element_ops=0,
            activation_bytes=0,
            calls=len(products),
        )
        for layer, products in layers.items()
    )
    return Count(tuple(rows), {})
