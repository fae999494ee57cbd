"""Why each candidate is as fast as it is, against what it was made from and under the machine's ceilings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from workbench.comparing.explain import explain
from workbench.report.data import FULL_PRECISION, RunData, compared_with
from workbench.report.ranking.rank import Ranking
from workbench.report.sections.registry import Section
from workbench.report.sections.why.component import Component, component
from workbench.report.sections.why.machine import Machine, machine

FOLDED = 6
"""Entries beyond which only that of the choice is open."""


@dataclass(frozen=True)
class Entry:
    """A candidate against what it was made from, on one target; ``opened``: not folded away."""

    candidate: str
    target: str
    parent: str
    quantized: bool
    opened: bool
    components: Sequence[Component]


@dataclass(frozen=True)
class Facts:
    """``machine`` is None where no ceilings were measured."""

    entries: Sequence[Entry]
    machine: Machine | None


def gather(run: RunData, ranking: Ranking) -> Facts | None:
    """What was profiled together with its parent, and the ceilings."""
    facts = Facts(entries(run, ranking), machine(run, ranking))
    return facts if facts.entries or facts.machine else None


def entries(run: RunData, ranking: Ranking) -> list[Entry]:
    """One per candidate and target that was profiled with its parent, those of the choice's target first.

    Candidates that share every component with their parent are left out.
    """
    result = []
    for target in sorted(run.targets, key=lambda t: t != ranking.target):
        for candidate in run.candidates:
            name, parent = candidate.name, compared_with(run.candidates, candidate.name)
            after, before = run.profiles.get((target, name)), run.profiles.get((target, parent or ""))
            if parent is None or before is None or after is None:
                continue
            whys = explain(before, after, run.layer_table(target, parent), run.layer_table(target, name))
            quantized = candidate.scheme != FULL_PRECISION
            opened = quantized or target == ranking.target
            if whys:
                changed = [component(why, quantized) for why in whys]
                result.append(Entry(name, target, parent, quantized, opened, changed))
    if len(result) > FOLDED:
        choice = (ranking.subject, ranking.target)
        result = [replace(entry, opened=(entry.candidate, entry.target) == choice) for entry in result]
    return result


SECTION = Section(__name__, "Why it is as fast as it is", 110, gather, link="Why")
