"""Fréchet distance of the pictures to the reference's, in the last features of a network that never saw either.

It is not FID: another network, and few pictures, of which every Fréchet distance makes too much (arXiv 1911.07023); the
excess is alike for candidates of equally many pictures.
"""

from __future__ import annotations

import numpy as np

from workbench.metrics.backbone import PROTOCOL
from workbench.metrics.base import Metric, Need, Sample
from workbench.metrics.drawn import Drawn
from workbench.metrics.gaussian import gaussian, sample


def _compute(drawn: Drawn) -> Sample:
    assert drawn.reference is not None
    own, reference = (each.seen[-1].astype(np.float64) for each in (drawn, drawn.reference))
    return sample(own, gaussian(reference))


METRIC = Metric(
    name="perceptual_frechet",
    label="fréchet to reference",
    unit="",
    better="low",
    order=8,
    needs=frozenset({Need.REFERENCE}),
    perfect=0.0,
    protocol=PROTOCOL,
    compute=_compute,
)
