"""Numbers of steps that a model's scheduler can't make are refused before any work, wherever a recipe asks for them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.recipe.test_check import loaded, refusal
from workbench.recipe.check import check_recipe
from workbench.store.store import Store

LCM, PNDM = {"_class_name": "LCMScheduler"}, {"_class_name": "PNDMScheduler", "skip_prk_steps": False}
SEARCH = "steps:\n  - remove_blocks: {search: {budget: {macs: 0.7}, steps: %d}}\n"
QUANTIZE = "steps:\n  - quantize: {scheme: w8a8, calibration: {steps: %d}}\n"
PROMPTS = "{templates: ['a {x}'], words: {x: [cat]}}"
DRAWN = f"data_sets:\n  - {{name: d, synthesize: {{prompts: {PROMPTS}, steps: %d}}}}\n"


@pytest.mark.parametrize(
    ("more", "where"),
    [
        ("evaluate: {steps: %d}\n", "evaluate.steps"),
        (SEARCH, "steps.0.remove_blocks.search.steps"),
        (QUANTIZE, "steps.0.quantize.calibration.steps"),
        (DRAWN, "data_sets.0.synthesize.steps"),
    ],
)
@pytest.mark.parametrize(
    ("scheduler", "most", "too_many", "why"),
    [
        (LCM, 50, 51, "makes at most 50 (original_inference_steps)"),
        (LCM | {"original_inference_steps": 20}, 20, 21, "makes at most 20"),
        (PNDM, 4, 3, "makes at least 4 (skip_prk_steps is false)"),
        (PNDM | {"num_train_timesteps": 30}, 30, 31, "makes at most 30 (num_train_timesteps)"),
    ],
    ids=("lcm", "lcm-20", "pndm-few", "pndm-many"),
)
def test_steps_that_the_scheduler_cannot_make(
    more: str, where: str, scheduler: dict, most: int, too_many: int, why: str, tmp_path: Path, store: Store,
    own_model: Callable[[], Path],
) -> None:  # fmt: skip
    file = own_model() / "scheduler" / "scheduler_config.json"
    config = json.loads(file.read_text()) | {"num_train_timesteps": 1000} | scheduler
    file.unlink()
    file.write_text(json.dumps(config))
    steps = "" if "evaluate" in more else f"evaluate: {{steps: {most}}}\n"

    told = refusal(loaded(tmp_path, steps + more % too_many, str(file.parent.parent)), store)

    assert f": {where}: found {too_many}; {scheduler['_class_name']} {why}" in told
    assert check_recipe(loaded(tmp_path, steps + more % most, str(file.parent.parent)), store)
