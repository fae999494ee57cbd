"""Fréchet distance of the pictures' features to those of real pictures, by the model's own scorer. It is not FID."""

from __future__ import annotations

import numpy as np

from workbench.metrics.base import Metric, Need, Sample
from workbench.metrics.drawn import Drawn
from workbench.metrics.gaussian import gaussian, sample


def _compute(drawn: Drawn) -> Sample:
    assert drawn.real is not None
    own, real = (features.astype(np.float64) for features in (drawn.image_features, drawn.real))
    return sample(own, gaussian(real))


METRIC = Metric(
    name="frechet",
    label="fréchet (demo)",
    unit="",
    better="low",
    order=30,
    needs=frozenset({Need.SCORER, Need.REAL}),
    compute=_compute,
)
