"""Two runs joined: which candidate of one stands beside which of the other, and what is between them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from workbench.comparing.comparable import doubt, pictures_differ, times_differ
from workbench.comparing.layers import LAYER_LOAD_SPREAD, LayerChange, differing, of_profiles
from workbench.comparing.ratio import Ratio
from workbench.metrics.base import Metric
from workbench.metrics.paired import paired
from workbench.metrics.scores import Difference, MetricValue
from workbench.profile.summary import Summary
from workbench.report.data import CandidateData, RunData
from workbench.report.ranking.rank import Ranking
from workbench.report.ranking.speedup import speed


@dataclass(frozen=True)
class Side:
    """One of the two runs: by which name it is found, when it was finished, and all of it."""

    name: str
    date: str
    run: RunData
    ranking: Ranking


@dataclass(frozen=True)
class Pair:
    """Two candidates that were made by the same kinds of steps; None where one run has no such candidate."""

    a: str | None
    b: str | None

    @property
    def label(self) -> str:
        """``w8a8``; ``w8a8 / w8a8_2`` where they are called otherwise."""
        return " / ".join(dict.fromkeys(name for name in (self.a, self.b) if name))


@dataclass(frozen=True)
class Timed:
    """A pair on one target. ``ratio``: time of B ÷ time of A; ``why``: why there is none."""

    target: str
    pair: Pair
    a: Summary
    b: Summary
    ratio: Ratio | None
    why: str


@dataclass(frozen=True)
class Scored:
    """A pair in one metric; ``between``: B − A picture by picture; ``why``: why the two can't be compared."""

    metric: Metric
    pair: Pair
    a: MetricValue | None
    b: MetricValue | None
    between: Difference | None
    why: str

    @property
    def tone(self) -> str:
        """``worse`` or ``better`` where the interval of the difference, or those of both, are apart."""
        if self.why or not self.a or not self.b or self.metric.better == "one":
            return ""
        if self.between:
            low, high = self.between["low"], self.between["high"]
        else:
            low, high = self.b["low"] - self.a["high"], self.b["high"] - self.a["low"]
        if low <= 0 <= high:
            return ""
        return "better" if (low > 0) == (self.metric.sign > 0) else "worse"


def join(a: Sequence[CandidateData], b: Sequence[CandidateData]) -> list[Pair]:
    """Candidates joined by lineage, scheme and steps; of several, those of one name, then in order. A's order first."""
    left = list(b)
    found: dict[str, str | None] = {}
    for named in (True, False):
        for mine in (one for one in a if one.name not in found):
            fits = (o for o in left if _like(o) == _like(mine) and (o.name == mine.name or not named))
            other = next(fits, None)
            if other is not None:
                left.remove(other)
                found[mine.name] = other.name
            elif not named:
                found[mine.name] = None
    return [*(Pair(one.name, found[one.name]) for one in a), *(Pair(None, other.name) for other in left)]


def _like(candidate: CandidateData) -> tuple[Any, ...]:
    return candidate.lineage, candidate.scheme, candidate.steps


def timed(a: Side, b: Side, pairs: Sequence[Pair]) -> list[Timed]:
    """All pairs that both runs have profiles of, target by target."""
    found = []
    for target in dict.fromkeys([*a.run.targets, *b.run.targets]):
        for pair in pairs:
            of_a, of_b = (side.run.profiles.get((target, name or "")) for side, name in ((a, pair.a), (b, pair.b)))
            if not of_a or not of_b:
                continue
            why = times_differ(of_a, of_b) or ("the same measurement" if _same(of_a, of_b) else "")
            found.append(Timed(target, pair, of_a, of_b, None if why else speed(of_a, of_b, doubt(of_a, of_b)), why))
    return found


def _same(a: Summary, b: Summary) -> bool:
    samples = [{name: c["latency_ms"].get("samples") for name, c in side["components"].items()} for side in (a, b)]
    return samples[0] == samples[1] and all(samples[0].values())


def scored(a: Side, b: Side, pairs: Sequence[Pair]) -> Iterator[Scored]:
    """Every metric of every pair that both runs scored."""
    metrics: Mapping[str, Metric] = {**b.run.recipe.metrics, **a.run.recipe.metrics}
    for metric in metrics.values():
        for pair in pairs:
            of_a, of_b = (side.run.scores.get(name or "") for side, name in ((a, pair.a), (b, pair.b)))
            if not of_a or not of_b:
                continue
            one, other = of_a["metrics"].get(metric.name), of_b["metrics"].get(metric.name)
            if not one or not other:
                continue
            why, between = pictures_differ(of_a, of_b), None
            if not why and "by_picture" in one and "by_picture" in other:
                between = paired(other["by_picture"], one["by_picture"])
            yield Scored(metric, pair, one, other, between, why)


def moved(times: Sequence[Timed]) -> Iterator[tuple[Timed, str, list[LayerChange]]]:
    """Of every pair that can be compared and every component, the layers that differ; the largest difference first.

    A component that both share with another pair is looked at once.
    """
    seen: set[tuple[str, str]] = set()
    for each in times:
        if each.ratio is None:
            continue
        for name in each.a["components"].keys() & each.b["components"].keys():
            one, other = each.a["components"][name], each.b["components"][name]
            samples = one.get("layer_samples_ms") or {}, other.get("layer_samples_ms") or {}
            known = each.target, repr(samples)
            if all(samples) and samples[0] != samples[1] and known not in seen:
                seen.add(known)
                yield each, name, differing(of_profiles(*samples, doubt(each.a, each.b, LAYER_LOAD_SPREAD)))
