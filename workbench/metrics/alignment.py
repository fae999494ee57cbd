"""How well a picture fits its prompt, by the model's own scorer: cosine of their features.

It is not CLIP score: the demo's scorer is a small pair trained on the demo pictures.
"""

from __future__ import annotations

from workbench.measure.interval import mean
from workbench.metrics.base import Metric, Need, Sample
from workbench.metrics.drawn import Drawn


def _compute(drawn: Drawn) -> Sample:
    real = drawn.captioned
    own = None if real is None else mean((real * drawn.caption_features).sum(1))
    return Sample((drawn.image_features * drawn.prompt_features).sum(1), real=own)


METRIC = Metric(
    name="alignment",
    label="alignment (demo)",
    unit="cosine",
    better="high",
    order=10,
    needs=frozenset({Need.SCORER}),
    per_picture=True,
    digits=4,
    compute=_compute,
)
