"""The chain: every candidate of a recipe, from the store or computed, and at how many steps each is looked at."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from workbench.compress.registry import StepContext
from workbench.models.candidate import Candidate, Component, at
from workbench.recipe.plan import PlannedStep
from workbench.run.data_sets import made
from workbench.run.latents import encoded
from workbench.run.session import Session


def candidate_after(planned: PlannedStep, parent: Candidate, result: Mapping[str, Any], folder: Path) -> Candidate:
    """The candidate that a stored step result describes: its changed components over the parent's."""
    changed = {
        name: Component(name, c["kind"], folder / c["path"], c["scheme"]) for name, c in result["components"].items()
    }
    configs = {name: component.path for name, component in changed.items() if component.kind == "torch"}
    return replace(
        parent,
        name=planned.candidate,
        key=planned.key,
        parent=parent.name,
        teacher=planned.config.teacher_name,
        components={**parent.components, **changed},
        lineage=(*parent.lineage, planned.step.kind),
        report=result["report"],
        configs={**parent.configs, **configs},
    )


def build(base: Candidate, plan: list[PlannedStep], session: Session) -> list[Candidate]:
    """All candidates in order, the untouched model first."""
    recipe, store, chain, ledger = session.recipe, session.store, [base], session.ledger
    if ledger:
        ledger.made(base)
    for planned in plan:
        parent = chain[planned.parent]

        others = {name: chain[i] for name, i in planned.others.items()}

        def work(
            out: Path,
            planned: PlannedStep = planned,
            parent: Candidate = parent,
            others: Mapping[str, Candidate] = others,
        ) -> dict[str, Any]:
            with session.progress(f"{planned.step.kind} {planned.candidate}", 1):
                data = recipe.data
                if planned.sets:
                    data = str(made(planned.sets, chain, session))
                elif planned.config.trains:
                    data = encoded(session, base.source)
                context = StepContext(
                    base=base,
                    parent=parent,
                    seed=recipe.seed,
                    data=data,
                    out=out,
                    state=out / "state",
                    progress=session.progress,
                    export=lambda candidate, component: exported(candidate, component, session),
                    others=others,
                    prompts=recipe.evaluate.prompts,
                    max_memory_bytes=recipe.max_memory_bytes,
                )
                return _apply(planned, context)

        result = store.compute(planned.key, work, together=planned.config.trains)
        chain.append(candidate_after(planned, parent, result, store.folder(planned.key)))
        if ledger:
            ledger.made(chain[-1])
            ledger.finished(planned.step.kind, planned.candidate, planned.key)
    return chain


def exported(candidate: Candidate, component: str, session: Session) -> Path:
    """The stored ONNX export of a component, or its own file."""
    from workbench.export.stored import stored_export

    with session.progress(f"export {candidate.name} {component}", 1):
        path = stored_export(candidate, component, session.store)
    if session.ledger and path != candidate.components[component].path:
        session.ledger.exported(candidate, component, path)
    return path


def _apply(planned: PlannedStep, context: StepContext) -> dict[str, Any]:
    start = time.monotonic()
    result = planned.step.apply(context, planned.config)
    if planned.config.trains:
        from workbench.training.loop import wait

        wait()  # others may still read the checkpoint, which is removed when the result is stored
    return {
        "step": planned.step.kind,
        "components": {
            name: {"kind": c.kind, "path": str(c.path.relative_to(context.out)), "scheme": c.scheme}
            for name, c in result.components.items()
        },
        "report": result.report,
        "seconds": time.monotonic() - start,
    }


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
