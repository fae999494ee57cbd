"""What every candidate of a recipe draws: the same prompts, seeds and settings. Loads nothing heavy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from workbench.errors import InputError
from workbench.evaluate.config import Evaluate
from workbench.models.candidate import Candidate


@dataclass(frozen=True)
class EvaluationSet:
    """``prompts`` to draw and to judge by, ``trained`` ones that are scored apart, the recipe's settings and seed.

    ``captions``: all that a prompt is told apart from.
    """

    prompts: Sequence[str]
    captions: Sequence[str]
    config: Evaluate
    seed: int
    trained: Sequence[str] = ()

    @property
    def drawn(self) -> list[str]:
        """All prompts in the order of their pictures."""
        return [*self.prompts, *self.trained]

    def steps_of(self, candidate: Candidate) -> int:
        """Denoising steps of a candidate's pictures."""
        return candidate.steps or self.config.steps


def choose_prompts(captions: Sequence[str], count: int, seed: int) -> list[str]:
    """``count`` prompts in a seeded order, without repeats until every caption was used once.

    Raises:
        InputError: there are no captions.
    """
    if not captions and count:
        raise InputError("evaluate: no captions and no prompts to draw")
    order: list[str] = []
    rng = np.random.default_rng([seed, 1])
    unique = list(dict.fromkeys(captions))
    while len(order) < count:
        order += [unique[i] for i in rng.permutation(len(unique))]
    return order[:count]
