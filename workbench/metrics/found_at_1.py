"""How often the reference's picture of the same prompt and seed is the one, of all of its pictures, that a candidate's
looks most like, to a network that never saw the model's pictures."""

from __future__ import annotations

import numpy as np

from workbench.metrics.backbone import PROTOCOL, unit
from workbench.metrics.base import Metric, Need, Sample
from workbench.metrics.drawn import Drawn


def _compute(drawn: Drawn) -> Sample:
    assert drawn.reference is not None
    own, reference = drawn.seen[-1], drawn.reference.seen[-1]
    middle = reference.mean(0)
    cosines = unit(own - middle) @ unit(reference - middle).T
    hits = (cosines.argmax(1) == np.arange(len(cosines))).astype(np.float64)
    return Sample(hits, bounds=(0.0, 1.0), against=len(cosines))


METRIC = Metric(
    name="found_at_1",
    label="reference found@1",
    unit="share",
    better="high",
    order=6,
    needs=frozenset({Need.REFERENCE}),
    perfect=1.0,
    protocol=PROTOCOL,
    compute=_compute,
)
