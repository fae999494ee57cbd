"""From a metric's name to the metric. Loads nothing heavy."""

from __future__ import annotations

import importlib
from functools import cache
from pathlib import Path

import workbench.metrics
from workbench.metrics.base import Limit, Metric


@cache
def metrics() -> dict[str, Metric]:
    """All metrics by name, in their order."""
    package = workbench.metrics
    files = [file for folder in package.__path__ for file in Path(folder).glob("*.py")]
    names = [f"{package.__name__}.{file.stem}" for file in files if "\nMETRIC = " in file.read_text()]
    in_order: list[Metric] = sorted((importlib.import_module(n).METRIC for n in names), key=lambda m: (m.order, m.name))
    return {metric.name: metric for metric in in_order}


def qualities() -> list[str]:
    """Those that a recipe may rank by."""
    return [name for name, metric in metrics().items() if metric.maximizable]


def by_picture() -> list[str]:
    """Those by which candidates are compared picture by picture."""
    return [name for name, metric in metrics().items() if metric.per_picture]


def limits() -> dict[str, tuple[Metric, Limit]]:
    """The constraints that metrics offer, by key, with the metric of each."""
    return {limit.key: (metric, limit) for metric in metrics().values() for limit in metric.limits}
