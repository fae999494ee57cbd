"""The chain: every candidate of a recipe, from the store or computed."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from workbench.compress.registry import StepContext
from workbench.models.candidate import Candidate, Component
from workbench.recipe.plan import PlannedStep
from workbench.run.data_sets import made
from workbench.run.session import Session


def candidate_after(planned: PlannedStep, parent: Candidate, result: Mapping[str, Any], folder: Path) -> Candidate:
    """The candidate that a stored step result describes: its changed components over the parent's."""
    changed = {
        name: Component(name, c["kind"], folder / c["path"], c["scheme"]) for name, c in result["components"].items()
    }
    configs = {name: own.path for name, own in changed.items() if own.kind == "torch"}
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
    from workbench.export.store import stored_export

    recipe, store, chain = session.recipe, session.store, [base]
    for planned in plan:
        parent = chain[planned.parent]

        others = {name: chain[i] for name, i in planned.others.items()}

        def work(
            out: Path,
            planned: PlannedStep = planned,
            parent: Candidate = parent,
            others: Mapping[str, Candidate] = others,
        ) -> dict[str, Any]:
            context = StepContext(
                base=base,
                parent=parent,
                seed=recipe.seed,
                data=str(made(planned.sets, chain, session)) if planned.sets else recipe.data,
                out=out,
                state=out / "state",
                progress=session.progress,
                export=lambda candidate, component: stored_export(candidate, component, store),
                others=others,
            )
            return _apply(planned, context)

        result = store.compute(planned.key, work, together=planned.config.trains)
        chain.append(candidate_after(planned, parent, result, store.folder(planned.key)))
    return chain


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
