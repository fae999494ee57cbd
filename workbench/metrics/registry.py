"""From a metric's name to the metric. Loads nothing heavy."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import TYPE_CHECKING

import workbench.metrics
from workbench.errors import InputError
from workbench.metrics.base import Limit, Metric

if TYPE_CHECKING:
    from workbench.metrics.config import MetricConfig

GROUP = "workbench.metrics"
"""Entry points of installed packages, each a ``Metric``, that are metrics beside those of this folder."""


@cache
def metrics() -> Mapping[str, Metric]:
    """All metrics that are measured without being asked for, by name, in their order.

    Raises:
        InputError: an installed package brings one that can't be used, or that is there already.
    """
    package = workbench.metrics
    files = [file for folder in package.__path__ for file in Path(folder).glob("*.py")]
    names = [f"{package.__name__}.{file.stem}" for file in files if "\nMETRIC = " in file.read_text()]
    found = {(metric := importlib.import_module(name).METRIC).name: metric for name in names}
    for point in entry_points(group=GROUP):
        metric = _brought(point)
        if metric.name in found:
            raise InputError(f"{_from(point)}: there is a metric {metric.name} already", hint="uninstall one of them")
        found[metric.name] = metric
    return {metric.name: metric for metric in sorted(found.values(), key=lambda m: (m.order, m.name))}


@cache
def kinds() -> Mapping[str, type[MetricConfig]]:
    """What a recipe may ask for in ``evaluate.metrics``, by the key there: the name of the file."""
    package = workbench.metrics
    files = sorted(file for folder in package.__path__ for file in Path(folder).glob("asked/*.py"))
    names = [file.stem for file in files if "\nCONFIG = " in file.read_text()]
    return {name: importlib.import_module(f"{package.__name__}.asked.{name}").CONFIG for name in names}


def qualities(known: Mapping[str, Metric]) -> list[str]:
    """Those that a recipe may rank by."""
    return [name for name, metric in known.items() if metric.maximizable]


def limits(known: Mapping[str, Metric]) -> dict[str, Limit]:
    """The constraints that metrics offer, by key."""
    return {key: limit for metric in known.values() for key, limit in metric.limits.items()}


def _brought(point: EntryPoint) -> Metric:
    try:
        metric = point.load()
    except Exception as error:  # an installed package may fail in any way
        raise InputError(f"{_from(point)}: can't be loaded ({error})") from error
    if not isinstance(metric, Metric):
        raise InputError(f"{_from(point)}: {point.value} is no workbench.metrics.base.Metric")
    source = inspect.getsourcefile(metric.compute)
    version = {"package": [point.dist.name, point.dist.version] if point.dist else point.module}
    return replace(
        metric, about={**metric.about, **version}, files=(*metric.files, *([Path(source)] if source else []))
    )


def _from(point: EntryPoint) -> str:
    return f"metric {point.name} of the package {point.dist.name if point.dist else point.module}"
