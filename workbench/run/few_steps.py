"""Candidates that were distilled to few steps, once for every number of steps at which they are to be looked at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from workbench.models.candidate import Candidate, at


def at_steps(chain: Sequence[Candidate], counts: Sequence[int]) -> list[Candidate]:
    """The chain with ``NAME-2steps`` … in the place of every candidate ``NAME`` that takes guidance as an input.

    A parent of that kind is the one at the same number of steps; of a candidate drawn in many, the first. What the step
    that made a candidate reported stays with the first of them, so that it is shown once. One made from a student
    without a teacher of its own keeps the student's, since that is what it replaces.
    """
    few = {candidate.name for candidate in chain if candidate.guidance_width}
    teachers: dict[str, str | None] = {}
    candidates: list[Candidate] = []
    for candidate in chain:
        teachers[candidate.name] = candidate.teacher or teachers.get(candidate.parent or "")
        parent = candidate.parent
        from_few = parent is not None and parent in few
        if candidate.name not in few:
            candidates.append(replace(candidate, parent=at(parent, counts[0])) if parent and from_few else candidate)
            continue
        for i, count in enumerate(counts):
            candidates.append(
                replace(
                    candidate,
                    name=at(candidate.name, count),
                    parent=at(parent, count) if parent and from_few else parent,
                    steps=count,
                    teacher=teachers[candidate.name],
                    report=candidate.report if i == 0 else {},
                )
            )
    return candidates
