"""NEW against OLD, figure by figure: what passes, what fails, and what can't be compared."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from workbench.comparing.comparable import doubt, times_differ
from workbench.comparing.comparison import percent, signed
from workbench.comparing.layers import LAYER_LOAD_SPREAD, LayerChange, of_profiles
from workbench.comparing.ratio import SLOWER, Ratio
from workbench.measure.layers import OUTSIDE
from workbench.metrics.paired import paired
from workbench.metrics.scores import MetricValue
from workbench.profile.summary import Summary
from workbench.release.figures import Drawn, Figures
from workbench.release.figures import Quality as Measured
from workbench.report.data import kind_of
from workbench.report.format import known, number
from workbench.report.ranking.speedup import speed
from workbench.verbs.gate.policy import Policy, Quality

PASSES, FAILS, APART, UNJUDGED = "passes", "fails", "not comparable", "not judged"
DRAWN = {
    "prompts_sha256": "other prompts",
    "n": "another number of pictures",
    "seed": "another seed",
    "steps": "another number of steps",
    "guidance_scale": "another guidance scale",
}


@dataclass(frozen=True)
class Finding:
    """One figure. ``change`` and ``limit`` in words; ``why``: what isn't comparable, or what else is to be known."""

    name: str
    old: float | None
    new: float | None
    unit: str
    change: str
    limit: str
    outcome: str
    why: str = ""


@dataclass(frozen=True)
class Again:
    """A target measured anew, both in turns: the ratio of each component and its layers."""

    ratios: Mapping[str, tuple[float, float, Ratio]]
    """By component: A's ms, B's ms, B ÷ A."""
    layers: Mapping[str, Sequence[LayerChange]]


def findings(old: Figures, new: Figures, policy: Policy, again: Mapping[str, Again]) -> Iterator[Finding]:
    """Every figure of ``new`` against ``old``'s.

    Args:
        again: targets that were measured in turns; of others, what is stored is compared.
    """
    yield from _sizes(old, new, policy)
    for target in dict.fromkeys([*old["targets"], *new["targets"]]):
        before, after = old["targets"].get(target), new["targets"].get(target)
        if before is None or after is None:
            why = f"only {'NEW' if before is None else 'OLD'} was measured there"
            yield Finding(f"{target}: latency", None, None, "ms", "", "", APART, why)
        elif target in again:
            yield from _in_turns(target, again[target], policy)
        else:
            yield from _stored(target, before, after, policy)
    yield from _quality(old, new, policy)


def _sizes(old: Figures, new: Figures, policy: Policy) -> Iterator[Finding]:
    before, after = (next((t.get("size_bytes") for t in side["targets"].values()), None) for side in (old, new))
    if before and after:
        yield _cost("size", before, after, policy.size)


def _cost(name: str, old: int, new: int, limit: float | None, why: str = "") -> Finding:
    """Bytes, which have no spread."""
    outcome = UNJUDGED if limit is None else FAILS if new / old - 1 > limit else PASSES
    return Finding(name, old / 1e6, new / 1e6, "MB", signed(new / old - 1), _most(limit, "more"), outcome, why)


def _stored(target: str, old: Summary, new: Summary, policy: Policy) -> Iterator[Finding]:
    costs, why, kind = policy.costs(target), times_differ(old, new), _kind(new)
    before, after = _latency(old), _latency(new)
    ratio = None if why else speed(old, new, doubt(old, new))
    latency, memory = f"{target}: latency", f"{target}: memory"
    if ratio is None:
        said = why or "not measured"
        yield Finding(latency, before, after, "ms", "", _most(costs.latency, "slower"), APART, said)
    else:
        yield _slower(latency, before, after, ratio, costs.latency, kind)
    took, takes = old.get("peak_rss_bytes"), new.get("peak_rss_bytes")
    if took and takes and why:
        yield Finding(memory, took / 1e6, takes / 1e6, "MB", "", _most(costs.memory, "more"), APART, why)
    elif took and takes:
        yield _cost(memory, took, takes, costs.memory, kind)
    if ratio is None or costs.layers is None:
        return
    for component in [name for name in old["components"] if name in new["components"]]:
        mine, other = (side["components"][component].get("layer_samples_ms") or {} for side in (old, new))
        if mine and other and mine != other:
            changes = of_profiles(mine, other, doubt(old, new, LAYER_LOAD_SPREAD))
            yield from _layers(f"{target}: {component}", changes, costs.layers)


def _in_turns(target: str, again: Again, policy: Policy) -> Iterator[Finding]:
    costs = policy.costs(target)
    for component, (old, new, ratio) in again.ratios.items():
        yield _slower(f"{target}: {component}", old, new, ratio, costs.latency, "measured in turns")
        if costs.layers is not None:
            yield from _layers(f"{target}: {component}", again.layers.get(component, ()), costs.layers)


def _slower(name: str, old: float | None, new: float | None, ratio: Ratio, limit: float | None, why: str) -> Finding:
    """Fails where it is surely slower, and by more than the limit by the best estimate."""
    fails = limit is not None and ratio.outcome() == SLOWER and ratio.value - 1 > limit
    if limit is not None and not fails and ratio.low <= 1 and ratio.high - 1 > limit:
        hidden = f"{percent(limit)} slower could hide in the noise"
        why = f"{why}; {hidden}" if why else hidden
    interval = f"{signed(ratio.value - 1)} ({signed(ratio.low - 1)} to {signed(ratio.high - 1)})"
    outcome = UNJUDGED if limit is None else FAILS if fails else PASSES
    return Finding(name, old, new, "ms", interval, _most(limit, "slower"), outcome, why)


def _layers(name: str, changes: Sequence[LayerChange], limit: float) -> Iterator[Finding]:
    """The layers that fail: there are too many to list those that pass. Time outside kernels is no layer's."""
    for change in (change for change in changes if change.layer != OUTSIDE):
        ratio = change.ratio
        if ratio is not None and change.outcome == SLOWER and ratio.value - 1 > limit:
            yield _slower(f"{name} {change.layer}", change.a_ms, change.b_ms, ratio, limit, "")


def _quality(old: Figures, new: Figures, policy: Policy) -> Iterator[Finding]:
    why = _drawn(old["drawn"], new["drawn"])
    for name in dict.fromkeys([*old["quality"], *new["quality"]]):
        before, after = old["quality"].get(name), new["quality"].get(name)
        asked = policy.of_metric(name)
        limit = _quality_limit(asked)
        if before is None or after is None:
            alone = f"only {'NEW' if before is None else 'OLD'} was scored"
            yield Finding(name, None, None, "", "", limit, UNJUDGED if asked.worse is None else APART, alone)
        elif why:
            was, now = before["value"]["value"], after["value"]["value"]
            yield Finding(name, was, now, after["unit"], "", limit, UNJUDGED if asked.worse is None else APART, why)
        else:
            yield _scored(name, before, after, asked)


def _drawn(old: Drawn | None, new: Drawn | None) -> str:
    if old is None or new is None:
        return "no pictures were drawn"
    return "; ".join(words for key, words in DRAWN.items() if old.get(key) != new.get(key))


def _scored(name: str, old: Measured, new: Measured, asked: Quality) -> Finding:
    """Fails where it is surely worse, and by more than the limit; what is best at 1, where its distance from 1 is."""
    before, after = old["value"], new["value"]
    low, high = _between(before, after)
    difference = after["value"] - before["value"]
    share = abs(difference) / abs(before["value"]) if before["value"] else math.inf
    sure = not low <= 0 <= high
    if new["better"] == "one":
        worse = abs(after["value"] - 1) > abs(before["value"] - 1)
    else:
        worse = (difference < 0) == (new["better"] == "high")
    limit = asked.worse
    fails = limit is not None and sure and share > limit and (worse or asked.both)
    change = f"{number(difference)} ({number(low)} to {number(high)})"
    outcome = UNJUDGED if limit is None else FAILS if fails else PASSES
    why = "better than it may be" if fails and not worse else ""
    return Finding(name, before["value"], after["value"], new["unit"], change, _quality_limit(asked), outcome, why)


def _between(old: MetricValue, new: MetricValue) -> tuple[float, float]:
    """The 95 % interval of NEW − OLD: picture by picture where both keep them, else as of two independent values."""
    if "by_picture" in old and "by_picture" in new and len(old["by_picture"]) == len(new["by_picture"]):
        found = paired(new["by_picture"], old["by_picture"])
        return found["low"], found["high"]
    middle = new["value"] - old["value"]
    down = math.hypot(new["value"] - new["low"], old["high"] - old["value"])
    up = math.hypot(new["high"] - new["value"], old["value"] - old["low"])
    return middle - down, middle + up


def _latency(profile: Summary) -> float | None:
    median = ((profile.get("pipeline") or {}).get("latency_ms") or {}).get("median")
    return median if known(median) else None


def _kind(profile: Summary) -> str:
    kind = kind_of(profile)
    return "" if kind == "measured" else kind


def _most(limit: float | None, word: str) -> str:
    return "" if limit is None else f"≤ {percent(limit)} {word}"


def _quality_limit(asked: Quality) -> str:
    return "" if asked.worse is None else f"≤ {percent(asked.worse)} {'other' if asked.both else 'worse'}"
