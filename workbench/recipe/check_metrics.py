"""What a recipe says of metrics: names that must be there, and what this model can't be scored by."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from workbench.data.captioned import REAL_PICTURES
from workbench.errors import did_you_mean
from workbench.metrics.base import Metric, Need
from workbench.metrics.config import COLUMNS
from workbench.metrics.registry import limits, metrics, qualities
from workbench.models.intake.architecture import is_random
from workbench.recipe.explain import show
from workbench.recipe.schema import COSTS, Recipe
from workbench.recipe.yaml_lines import Problem


def named_problems(recipe: Recipe) -> Iterator[Problem]:
    """Metrics that are named and aren't there."""
    names = [*metrics(), *COLUMNS]
    for i, entry in enumerate(recipe.evaluate.metrics):
        if entry.name in names:
            what = f"there is a {entry.name} already; give this one a name of its own"
            yield ("evaluate", "metrics", i, entry.kind, "name"), what
        names += [entry.name, *(f"{entry.name}_{end}" for end in ("low", "high"))]
    known = recipe.metrics
    aims = [*qualities(known), *COSTS]
    aim = recipe.rank.maximize
    if aim is not None and aim not in aims:
        yield ("rank", "maximize"), f"found {show(aim)}; needs one of {', '.join(aims)}{did_you_mean(aim, aims)}"
    offered = limits(known)
    for key, value in recipe.rank.constraints.metrics.items():
        metric = known.get(key.rpartition("_")[0])
        if metric is None:
            meant = did_you_mean(key, offered)
            yield ("rank", "constraints", key), f"found a limit on no metric; needs one of {', '.join(known)}{meant}"
        elif key not in offered:
            yield ("rank", "constraints", key), f"{metric.name} has no such limit; needs {' or '.join(metric.limits)}"
        elif offered[key].relative and not 0 <= value <= 1:
            yield ("rank", "constraints", key), f"found {value:g}; needs a number from 0 to 1"
    each = [name for name, metric in known.items() if metric.per_picture]
    for i, table in enumerate(recipe.published):
        if table.metric is not None and table.metric not in each:
            meant = did_you_mean(table.metric, each)
            yield ("published", i, "metric"), f"found {show(table.metric)}; needs one of {', '.join(each)}{meant}"


def metric_problems(recipe: Recipe, folder: Path) -> Iterator[Problem]:
    """What is wrong with ``evaluate.metrics``, and metrics of the choice that the model in ``folder`` can't have."""
    pictures = recipe.evaluate.pictures
    for i, entry in enumerate(recipe.evaluate.metrics):
        for key, what in entry.config.problems(pictures):
            yield ("evaluate", "metrics", i, entry.kind, key), what
        if pictures < (least := recipe.metrics[entry.name].least):
            what = f"needs at least {least} pictures to say anything, and evaluate.pictures is {pictures}"
            yield ("evaluate", "metrics", i, entry.kind), what
    if not pictures:
        for place, metric in asked_metrics(recipe):
            yield place, f"{metric.name} needs pictures, and evaluate.pictures is 0; rank by one of {', '.join(COSTS)}"
        return
    brought = {Need.SCORER: (folder / "scorer").is_dir(), Need.REAL: (folder / REAL_PICTURES).is_file()}
    absent = {need for need, there in brought.items() if not there}
    usable = [*(name for name in qualities(recipe.metrics) if not recipe.metrics[name].needs & absent), *COSTS]
    for place, metric in asked_metrics(recipe):
        if lacking := [need.value for need in Need if need in metric.needs & absent]:
            needs = f"{metric.name} needs {' and '.join(lacking)}, and this model brings none"
            yield place, f"{needs}; rank by one of {', '.join(usable)}"


def metric_doubts(recipe: Recipe, folder: Path) -> Iterator[Problem]:
    """What makes values less than they seem. ``folder``: the model's."""
    if is_random(folder):
        if recipe.rank.maximize not in COSTS and recipe.evaluate.pictures:
            what = f"the model's weights are random, so no metric says anything; rank by {' or '.join(COSTS)}"
            yield ("rank", "maximize"), what
        for key in recipe.rank.constraints.metrics:
            yield ("rank", "constraints", key), "the model's weights are random, so no metric says anything"
        for i, entry in enumerate(recipe.evaluate.metrics):
            yield ("evaluate", "metrics", i, entry.kind), "the model's weights are random, so no metric says anything"
    for i, entry in enumerate(recipe.evaluate.metrics):
        for key, what in entry.config.doubts(recipe.evaluate.pictures):
            yield ("evaluate", "metrics", i, entry.kind, key), what


def asked_metrics(recipe: Recipe) -> Iterator[tuple[tuple[str, ...], Metric]]:
    """The metrics that the choice can't do without, with the place that asks for each."""
    aim = recipe.metrics.get(recipe.rank.maximize or "")
    if aim is not None:
        yield ("rank", "maximize"), aim
    for key, limit in recipe.limited().items():
        yield ("rank", "constraints", key), limit.metric
