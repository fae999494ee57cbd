"""The training of a student, as the steps that train report it."""

from __future__ import annotations

import json
import shutil
from typing import Any

from workbench.compress.registry import StepContext
from workbench.training.curve import facts
from workbench.training.loop import Schedule, train


def train_student(
    ctx: StepContext, config: Any, student: Any, loss_of: Any, label: str, average: Any = None, **optimizer: Any
) -> tuple[Any, dict[str, Any]]:
    """Trains ``student`` in place and leaves its losses in ``ctx.out``; returns it and what the report says (JSON).

    ``config`` names ``steps``, ``batch`` and what else ``Schedule.of`` reads; ``loss_of`` and ``average`` are those of
    ``train``. ``label``: of the progress. ``optimizer``: as for ``Schedule.of``.
    """
    with ctx.progress(label, config.steps) as tick:
        student = train(
            student,
            loss_of,
            Schedule.of(config, ctx.seed, **optimizer),
            ctx.state,
            lambda done, values: tick(done, f"loss {values['loss']:.3g}"),
            average,
        )
    log = ctx.out / "loss.jsonl"
    shutil.copyfile(ctx.state / log.name, log)
    rows = [json.loads(line) for line in log.read_text().splitlines()]
    return student, {"steps": config.steps, "pictures_seen": config.steps * config.batch, **facts(rows)}
