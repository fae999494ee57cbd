"""What similar work took before on this machine, as the store knows it, and a forecast from that."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from workbench.forecast.cost import Cost, Pass, Passes, Speed
from workbench.store.store import Store
from workbench.store.taken import every, keep, read

Source = Literal["measured before", "from MACs", "stored"]
NEAREST = 5
"""Results of the same kind that a forecast is scaled from, the most alike in size."""


@dataclass(frozen=True)
class Once:
    """One stage that was done on this machine: its kind, what exactly it was, its cost, and what it took."""

    kind: str
    identity: str
    key: str
    cost: Cost
    seconds: float
    peak: int | None
    disk: int


@dataclass(frozen=True)
class Expected:
    """What a stage is expected to take; nothing where its result is ``stored``."""

    seconds: float
    memory_bytes: int
    disk_bytes: int
    source: Source


def remember(store: Store, key: str, kind: str, identity: str, cost: Cost, machine: str) -> None:
    """Keeps beside a result which stage it was and what had been known of its cost."""
    size = asdict(replace(cost, made={}))
    keep(store.root, key, {"stage": kind, "identity": identity, "cost": size, "machine": machine})


def done(store: Store, machine: str) -> list[Once]:
    """All stages that the store knows of on this machine; without those that only went on from a checkpoint."""
    found: list[Once] = []
    for key, facts in every(store.root):
        with suppress(KeyError, TypeError, AttributeError, ValueError):
            if facts["machine"] == machine and not facts["resumed"]:
                parts = [facts, *(read(store.root, other) or {} for other in facts.get("also", ()))]
                seconds = sum(float(part.get("seconds", 0)) for part in parts)
                sizes = facts["peak_bytes"], int(facts["disk_bytes"])
                found.append(Once(facts["stage"], facts["identity"], key, _cost(facts["cost"]), seconds, *sizes))
    return found


def expect(kind: str, identity: str, cost: Cost, speed: Speed, before: Sequence[Once]) -> Expected:
    """From the same stage where it was done before, else from those of its kind scaled by MACs × passes, else by MACs
    and the machine's speed alone."""
    same = [once for once in before if identity and once.identity == identity]
    if same:
        last = same[-1]
        return Expected(last.seconds, last.peak or cost.memory, last.disk, "measured before")
    counted = cost.on(speed)
    alike = [once for once in before if once.kind == kind and once.cost.on(speed) > 0]
    if not alike:
        return Expected(counted, cost.memory, cost.disk, "from MACs")
    alike.sort(key=lambda once: abs(math.log(once.cost.on(speed) / max(counted, 1e-9))))
    near = alike[:NEAREST]
    factor = statistics.median(_factor(once, counted, speed) for once in near)
    memory = statistics.median((once.peak or once.cost.memory) / once.cost.memory for once in near)
    return Expected(counted * factor, round(cost.memory * memory), cost.disk, "measured before")


def _factor(once: Once, counted: float, speed: Speed) -> float:
    """How much longer than counted one took, as far as that says something of another: of a much smaller one, which
    took long to begin, little."""
    of_once = once.cost.on(speed)
    return 1 + (once.seconds / of_once - 1) * math.sqrt(min(1.0, of_once / max(counted, 1e-9)))


def _cost(facts: dict[str, Any]) -> Cost:
    passes = tuple(Passes(Pass(**each["of"]), each["count"], each["kind"], each["half"]) for each in facts["passes"])
    return Cost(passes, facts["seconds"], facts["memory"], facts["disk"])
