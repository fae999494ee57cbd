"""What metrics are computed from: a candidate's pictures, what it was asked for, and what it is held against."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from workbench.metrics.backbone import Features, default, features
from workbench.metrics.base import Need

if TYPE_CHECKING:
    from workbench.models.scorer import Scorer


@dataclass(frozen=True)
class Outputs:
    """A U-Net's outputs with and without the prompt, [T, S, C, h, w] each, at T timesteps on S inputs each."""

    timesteps: Sequence[int]
    cond: np.ndarray
    free: np.ndarray


@dataclass(frozen=True)
class Drawn:
    """What a candidate drew: ``pictures`` uint8 [N, H, W, 3] of N ``prompts``.

    ``captions``: all that its own prompt is told apart from. ``scorer`` and ``real``, the features [K, F] of real
    pictures, are the model's, if it brings any. ``outputs``: None for a U-Net that was distilled to few steps.
    ``reference``: what the reference drew; None for the reference itself. ``trained``: pictures of captions that
    training saw, where these are of others.
    """

    pictures: np.ndarray
    prompts: Sequence[str] = ()
    captions: Sequence[str] = ()
    scorer: Scorer | None = None
    real: np.ndarray | None = None
    outputs: Outputs | None = None
    reference: Drawn | None = None
    trained: Drawn | None = None

    @cached_property
    def available(self) -> frozenset[Need]:
        """What there is of that which metrics need."""
        outputs = self.outputs and (self.reference is None or self.reference.outputs)
        there = {Need.SCORER: self.scorer, Need.REAL: self.real, Need.REFERENCE: self.reference, Need.OUTPUTS: outputs}
        return frozenset(need for need, value in there.items() if value is not None)

    @cached_property
    def image_features(self) -> np.ndarray:
        """Unit vectors [N, F] of the pictures."""
        return self._scorer.images(self.pictures)

    @cached_property
    def prompt_features(self) -> np.ndarray:
        """Unit vectors [N, F] of the prompts."""
        return self._scorer.texts(self.prompts)

    @cached_property
    def caption_features(self) -> np.ndarray:
        """Unit vectors [M, F] of the captions."""
        return self._scorer.texts(self.captions)

    @cached_property
    def seen(self) -> Features:
        """What an independent network sees in the pictures."""
        return features(default(), self.pictures)

    @property
    def captioned(self) -> np.ndarray | None:
        """Features [M, F] of real pictures where these are those of the captions, in their order; else None."""
        return self.real if self.real is not None and len(self.real) == len(self.captions) else None

    @property
    def _scorer(self) -> Scorer:
        assert self.scorer is not None, "metrics of features need a scorer"
        return self.scorer
