"""Peak signal-to-noise ratio of the pictures to the reference's of the same seeds."""

from __future__ import annotations

import math

from workbench.measure.psnr import psnr_db
from workbench.metrics.base import Limit, Metric, Need, Sample
from workbench.metrics.drawn import Drawn


def _compute(drawn: Drawn) -> Sample:
    assert drawn.reference is not None
    return Sample(psnr_db(drawn.pictures, drawn.reference.pictures))


METRIC = Metric(
    name="psnr_db",
    label="PSNR to reference",
    unit="dB",
    better="high",
    order=40,
    needs=frozenset({Need.REFERENCE}),
    perfect=math.inf,
    per_picture=True,
    digits=2,
    maximizable=True,
    limits=(Limit("psnr_db", "PSNR", "Least final-picture PSNR against the reference."),),
    compute=_compute,
)
