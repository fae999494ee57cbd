"""What a metric declares: schema, ranking, limits, tables, figures, columns and docs are derived from it.

To add a metric: one file in this folder with ``METRIC = Metric(…)``. The registry finds it; nothing else names it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from workbench.measure.interval import RESAMPLES, Interval, interval, mean
from workbench.metrics.scores import MetricValue

if TYPE_CHECKING:
    from workbench.metrics.drawn import Drawn

DIMENSIONLESS = ("", "cosine", "share", "ratio")
"""Units that say what kind of number it is; none is written behind one."""


class Need(Enum):
    """What a metric can't do without, in words."""

    SCORER = "a scorer"
    REAL = "real pictures"
    REFERENCE = "a reference"
    OUTPUTS = "a U-Net of many steps"


class Bound(Enum):
    """What a recipe may demand of a metric, as ``rank.constraints.NAME_KIND``; the value is the kind."""

    DROP = "drop"
    MIN = "min"
    MAX = "max"


@dataclass(frozen=True)
class Limit:
    """One constraint on a metric: a least or a largest value, or the largest share that may be lost (``DROP``) against
    the recipe's first candidate. Both ends together make a window: where quantization gains, something is wrong, too.
    """

    metric: Metric
    bound: Bound

    @property
    def key(self) -> str:
        """As recipes write it: ``ssim_min``."""
        return f"{self.metric.name}_{self.bound.value}"

    @property
    def relative(self) -> bool:
        """Whether it is a share of the first candidate's value."""
        return self.bound is Bound.DROP

    def edge(self, allowed: float, first: float) -> float:
        """The value that just meets the constraint; ``first``: the first candidate's value."""
        return first * (1 - allowed) if self.relative else allowed


@dataclass(frozen=True)
class ByTimestep:
    """The words of the figure that a metric of the U-Net's output gets, a line a candidate over timesteps."""

    heading: str
    title: str
    axis: str
    help: str


@dataclass(frozen=True)
class Sample:
    """What a metric was worked out from: ``rows`` [N, ...], one for each picture (or output), and their ``statistic``.

    ``bounds``: what the statistic can't go beyond. ``real``: the value of real pictures. ``against``: how many captions
    or pictures it was held against.
    """

    rows: np.ndarray
    statistic: Callable[[np.ndarray], float] = mean
    resamples: int = RESAMPLES
    bounds: tuple[float, float] = (-np.inf, np.inf)
    real: float | None = None
    against: int | None = None
    by_timestep: Mapping[str, float] | None = None


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A metric; ``compute`` is given what a candidate drew, and only where all that it ``needs`` is there.

    Everything but ``compute`` may be read without loading a heavy library.
    """

    name: str
    """Key of the scores, column of the CSV."""
    label: str
    """For readers."""
    unit: str
    better: Literal["high", "low", "one"]
    order: int
    """Where it stands among the others: in tables, in the CSV, and as the quality of a recipe that asks for none."""
    compute: Callable[[Drawn], Sample]
    needs: frozenset[Need] = frozenset()
    perfect: float | None = None
    """What the reference scores against itself, which is not measured."""
    per_picture: bool = False
    """Whether every picture has a value, whose mean it is: candidates are then compared picture by picture."""
    digits: int = 3
    """Decimals of differences between candidates."""
    about: Mapping[str, Any] = field(default_factory=dict, hash=False)
    """What its value hangs on besides its code, files and pictures (JSON)."""
    files: tuple[Path, ...] = ()
    """Weights, pictures, programs that it reads."""
    protocol: str = ""
    """How it was measured, where a number means nothing without: the network, its input."""
    least: int = 2
    """Pictures below which its value is no estimate of anything."""
    by_timestep: ByTimestep | None = None

    def __post_init__(self) -> None:
        if self.better == "one" and self.per_picture:
            raise ValueError(f"{self.name}: what is best at 1 can't be compared picture by picture")

    @property
    def maximizable(self) -> bool:
        """Whether a recipe may rank by it (``rank.maximize``, which takes the least where less is better)."""
        return self.better != "one"

    @property
    def limits(self) -> dict[str, Limit]:
        """The constraints that recipes may set on it, by key; a share of nothing, or of infinity, can't be lost."""
        whole = self.better == "high" and (self.perfect is None or 0 < self.perfect < math.inf)
        bounds = [Bound.DROP, Bound.MIN, Bound.MAX] if whole else [Bound.MIN, Bound.MAX]
        return {limit.key: limit for limit in (Limit(self, bound) for bound in bounds)}

    @property
    def of_reference(self) -> bool:
        """Whether it is measured against the reference, which has none itself."""
        return Need.REFERENCE in self.needs

    @property
    def sign(self) -> int:
        """1 where more is better, -1 where less is."""
        return -1 if self.better == "low" else 1

    @property
    def needed(self) -> str:
        """What it needs, in words."""
        return " and ".join(need.value for need in Need if need in self.needs)

    @property
    def symbol(self) -> str:
        """What is written behind a number: dB; nothing behind a cosine, a share or a ratio."""
        return "" if self.unit in DIMENSIONLESS else self.unit

    def with_unit(self, text: str) -> str:
        """A number's text with the unit behind it, where it has one: 21.5 dB, 0.943."""
        return f"{text} {self.symbol}".strip()

    def measure(self, drawn: Drawn) -> MetricValue | None:
        """Its value for a candidate with a 95 % interval; None where something that it needs isn't there."""
        if not self.needs <= drawn.available:
            return None
        sample = self.compute(drawn)
        value: MetricValue = {**_interval(sample)}
        if self.per_picture and drawn.trained and self.needs <= drawn.trained.available:  # others hang on their number
            value["trained"] = _interval(self.compute(drawn.trained))
        if sample.real is not None:
            value["real"] = sample.real
        if sample.against is not None:
            value["against"] = sample.against
        if self.per_picture:
            value["by_picture"] = [round(float(row), 5) for row in sample.rows]
        if sample.by_timestep is not None:
            value["by_timestep"] = dict(sample.by_timestep)
        return value


def _interval(sample: Sample) -> Interval:
    return interval(sample.rows, sample.statistic, sample.resamples, sample.bounds)
