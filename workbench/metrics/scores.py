"""The scores of a candidate, as they lie in the store and as the report reads them (JSON)."""

from __future__ import annotations

from typing import NotRequired, TypedDict

from workbench.measure.interval import Interval

SCHEMA = 2
"""Version of ``Scores``; raised when a key changes its name or meaning."""


class MetricValue(Interval):
    """A metric's value for a candidate; its label, unit and better end are the metric's own."""

    real: NotRequired[float]
    """The same of real pictures."""
    against: NotRequired[int]
    """How many captions or real pictures the candidate's were held against."""
    trained: NotRequired[Interval]
    """The same of pictures whose captions training saw."""
    by_picture: NotRequired[list[float]]
    by_timestep: NotRequired[dict[str, float]]


class Difference(TypedDict):
    """Difference of two means and, where both are positive, their ratio, each with its 95 % interval over n pairs."""

    difference: float
    low: float
    high: float
    n: int
    ratio: NotRequired[float]
    ratio_low: NotRequired[float]
    ratio_high: NotRequired[float]


class Comparison(Difference):
    """A candidate against another one, ``against``, picture by picture; ``why``: what the other one is."""

    metric: str
    against: str
    why: str


class Drawing(TypedDict):
    """What a candidate was asked to draw, as it lies in the store beside the pictures."""

    n: int
    """Pictures that are judged by, the first; the others are of captions that training saw."""
    steps: int
    guidance_scale: float
    seed: int
    prompts: list[str]
    pictures: list[str]
    """Names of the files of the pictures, in the order of the prompts."""
    seconds: float
    """What drawing took; among ``Scores``, with scoring."""


class StoredValue(TypedDict):
    """A metric's value as it lies in the store; None where something that the metric needs isn't there."""

    value: MetricValue | None
    seconds: float


class Scores(Drawing):
    """All scores of a candidate; ``paired``: against others of the run."""

    schema: int
    metrics: dict[str, MetricValue]
    paired: list[Comparison]
