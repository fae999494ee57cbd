"""How much a picture looks like the reference's of the same seed, to a network that never saw the model's pictures."""

from __future__ import annotations

from workbench.metrics.backbone import PROTOCOL, similarity
from workbench.metrics.base import Metric, Need, Sample
from workbench.metrics.drawn import Drawn


def _compute(drawn: Drawn) -> Sample:
    assert drawn.reference is not None
    return Sample(similarity(drawn.seen, drawn.reference.seen))


METRIC = Metric(
    name="perceptual",
    label="perceptual similarity",
    unit="cosine",
    better="high",
    order=4,
    needs=frozenset({Need.REFERENCE}),
    perfect=1.0,
    per_picture=True,
    protocol=PROTOCOL,
    compute=_compute,
)
