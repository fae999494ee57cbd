"""How often a picture's own prompt fits it better than every other caption, by the model's own scorer."""

from __future__ import annotations

import numpy as np

from workbench.measure.interval import mean
from workbench.metrics.base import Metric, Need, Sample
from workbench.metrics.drawn import Drawn


def hits(images: np.ndarray, prompts: np.ndarray, captions: np.ndarray) -> np.ndarray:
    """1.0 for every picture whose prompt is nearer than all ``captions``, else 0.0, from features [N, F] and [M, F]."""
    others = images @ captions.T
    others[(prompts @ captions.T) > 1 - 1e-5] = -np.inf  # the prompt itself among the captions is no other one
    return ((images * prompts).sum(1) > others.max(1)).astype(np.float64)


def _compute(drawn: Drawn) -> Sample:
    real, captions = drawn.captioned, drawn.caption_features
    return Sample(
        hits(drawn.image_features, drawn.prompt_features, captions),
        bounds=(0.0, 1.0),
        real=None if real is None else mean(hits(real, captions, captions)),
        against=len(captions),
    )


METRIC = Metric(
    name="retrieval_at_1",
    label="retrieval@1 (demo)",
    unit="share",
    better="high",
    order=20,
    needs=frozenset({Need.SCORER}),
    compute=_compute,
)
