"""What a metric that a recipe asks for is told: the base of its settings in ``evaluate.metrics``."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from workbench.metrics.base import Metric
from workbench.strict import Strict

MetricName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=60)]
"""A column of the CSV and, with ``_min`` behind it, a key of ``rank.constraints``."""

COLUMNS = frozenset(
    [
        "candidate",
        "target",
        "scheme",
        "latency_ms",
        "latency_p90_ms",
        "latency_n",
        "size_bytes",
        "peak_rss_bytes",
        "macs",
        "params",
        "simulated",
        "emulated",
        "pareto",
        "chosen",
        "gain",
        "reason",
        "speed",
        "smallness",
    ]
)
"""Names that the table of candidates and the ranking have for something else."""


class MetricConfig(Strict):
    """Settings of one metric. A subclass is ``CONFIG`` of its file in ``metrics/asked/``."""

    name: MetricName | None = Field(None, description="Its name among the scores; default: the key.")

    @abstractmethod
    def metric(self, name: str) -> Metric:
        """The metric under a name. Loads no weights; may be asked where there are none any more."""

    def problems(self, pictures: int) -> Iterator[tuple[str, str]]:
        """Key and sentence of everything that would keep ``pictures`` pictures from being scored, before any work."""
        yield from ()

    def doubts(self, pictures: int) -> Iterator[tuple[str, str]]:
        """Key and sentence of what makes the value less than it seems."""
        yield from ()
