"""What every candidate of a recipe is asked: the same prompts, seeds and settings. Loads nothing heavy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from workbench.evaluate.config import Evaluate


@dataclass(frozen=True)
class EvaluationSet:
    """Prompts to draw, distractors for retrieval, settings and seed."""

    prompts: Sequence[str]
    distractors: Sequence[str]
    config: Evaluate
    seed: int


def choose_prompts(captions: Sequence[str], config: Evaluate, seed: int) -> list[str]:
    """``config.pictures`` prompts in a seeded order, without repeats until every caption was used once."""
    order: list[str] = []
    rng = np.random.default_rng([seed, 1])
    unique = list(dict.fromkeys(captions))
    while len(order) < config.pictures:
        order += [unique[i] for i in rng.permutation(len(unique))]
    return order[: config.pictures]
